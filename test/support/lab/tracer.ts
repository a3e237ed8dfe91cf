/** Makes system calls of a running process fail or slow, by strace. The process goes on as before once detached. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { until } from "../until.ts";

export class Tracer {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** @param injection strace's, such as `error=EIO` or `delay_enter=200000` (microseconds). */
  static async attach(pid: number, calls: readonly string[], injection: string): Promise<Tracer> {
    const names = calls.join(",");
    const what = ["-e", `trace=${names}`, "-e", `inject=${names}:${injection}`];
    const child = spawn("strace", ["-f", "-qq", "-o", "/dev/null", ...what, "-p", `${pid}`], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const tracer = new Tracer(child);
    try {
      await until({ what: `strace holds process ${pid}`, deadlineMs: 10_000 }, () => {
        return tracerOf(pid) === child.pid;
      });
    } catch (error) {
      await tracer.detach();
      throw error;
    }
    return tracer;
  }

  async detach(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    await gone;
  }
}

function tracerOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^TracerPid:\s+(\d+)/m.exec(status)?.[1] ?? 0);
}
