/**
 * Lets agents of a fresh bundle live through what agents do first — form a cluster, join one, come back, lose a leader
 * — so that what V8 compiled for that is kept beside the program. Each agent that ends in order adds to what those
 * before it left.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

/** Gossip, votes and synchronization come by several times in this. */
const lifeMs = 1500;
const patienceMs = 60_000;

interface Lab {
  readonly bundle: string;
  readonly nodeFlags: readonly string[];
  readonly folder: string;
}

interface Agent extends AsyncDisposable {
  /** Resolves when a line of its log has all of these in it. */
  logs(...parts: readonly string[]): Promise<void>;
  /** Ends it in order, when it leaves compiled code. */
  end(): Promise<void>;
}

export async function warmUp(bundle: string, nodeFlags: readonly string[]): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "muster-warm-up-"));
  const lab = { bundle, nodeFlags, folder };
  const address = `127.0.0.1:${await freePort()}`;
  try {
    {
      await using founder = start(lab, "a", ["bootstrap", "--listen", address]);
      await founder.logs('"agent runs"');
      await founder.end();
    }
    await using first = start(lab, "a", ["agent", "--listen", address]);
    await first.logs('"agent runs"');
    const tokenFile = path.join(folder, "token");
    await writeFile(tokenFile, await createToken(lab), { mode: 0o600 });
    const joining = ["agent", "--listen", "127.0.0.1:0", "--join", address];
    const args = [...joining, "--join-token-file", tokenFile];
    await using second = start(lab, "b", args);
    await second.logs('"agent runs"');
    await using third = start(lab, "c", args);
    await third.logs('"agent runs"');
    await delay(lifeMs);
    await second.end();
    await using back = start(lab, "b", args);
    await back.logs('"agent runs"');
    await delay(lifeMs);
    await first.end();
    await Promise.race([back, third].map((agent) => agent.logs('"role":"leader"')));
    await delay(lifeMs);
    // In order, as a killed agent's supervisor would hold on to its folder; last the one that has lived through most.
    await third.end();
    await back.end();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function start({ bundle, nodeFlags, folder }: Lab, name: string, args: readonly string[]): Agent {
  const node = path.join(bundle, "node_modules/node/bin/node");
  const program = [path.join(import.meta.dirname, "keep-compiled.cjs"), bundle];
  const own = ["--name", name, "--data-dir", path.join(folder, name), "--gossip-profile", "local"];
  const child = spawn(node, [...nodeFlags, ...program, ...args, ...own], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env["PATH"] },
  });
  const ended = once(child, "exit");
  const lines: string[] = [];
  const reader = createInterface({ input: child.stderr });
  reader.on("line", (line) => lines.push(line));
  return {
    logs: async (...parts) => {
      const isThere = (): boolean => lines.some((line) => parts.every((one) => line.includes(one)));
      const expired = delay(patienceMs, "expired", { ref: false });
      while (!isThere()) {
        const outcome = await Promise.race([once(reader, "line"), ended, expired]);
        if (outcome === "expired" || hasEnded(child)) {
          throw new Error(failure(name, parts, lines));
        }
      }
    },
    end: async () => {
      child.kill("SIGTERM");
      await ended;
      if (child.exitCode !== 0) throw new Error(failure(name, ["exit 0"], lines));
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function failure(name: string, wanted: readonly string[], lines: readonly string[]): string {
  return `Warming up: agent "${name}" did not come to ${wanted.join(" ")}:\n${lines.slice(-20).join("\n")}`;
}

async function createToken({ bundle, folder }: Lab): Promise<string> {
  const socket = path.join(folder, "a/api.sock");
  const args = ["--api-socket", socket, "token", "create", "--uses", "2", "-o", "json"];
  const { stdout } = await promisify(execFile)(path.join(bundle, "muster"), args, {
    env: { PATH: process.env["PATH"] },
  });
  return (JSON.parse(stdout) as { readonly token: string }).token;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
