/** Load on etcd over gRPC by a compiled client (bench/etcdbench), built on first use from Debian's Go packages. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { type LoadResult } from "./load.ts";
import { endedChildrenCpuSeconds } from "./process-cpu.ts";

/** Where Debian puts the sources of Go libraries. */
export const goPath = "/usr/share/gocode";
/** etcd's own benchmark spreads many clients over as many connections at most. */
const mostConnections = 100;

export interface EtcdRun {
  readonly mode: "put" | "get";
  readonly port: number;
  readonly clients: number;
  readonly seconds: number;
}

interface Report {
  readonly operations: number;
  readonly errors: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class EtcdClient implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async build(): Promise<EtcdClient> {
    const folder = await mkdtemp(path.join(os.tmpdir(), "muster-etcdbench-"));
    const source = path.join(import.meta.dirname, "etcdbench/main.go");
    const env = { ...process.env, GO111MODULE: "off", GOPATH: goPath, GOCACHE: `${folder}/cache` };
    await promisify(execFile)("go", ["build", "-o", `${folder}/etcdbench`, source], { env });
    return new EtcdClient(folder);
  }

  async run({ mode, port, clients, seconds }: EtcdRun): Promise<LoadResult> {
    const cpuBefore = endedChildrenCpuSeconds();
    const flags = {
      endpoint: `http://127.0.0.1:${port}`,
      mode,
      clients,
      conns: Math.min(clients, mostConnections),
      dur: `${seconds}s`,
    };
    const args = Object.entries(flags).map(([flag, value]) => `-${flag}=${value}`);
    const { stdout } = await promisify(execFile)(`${this.#folder}/etcdbench`, args);
    const report = JSON.parse(stdout) as Report;
    return {
      clients,
      perSecond: report.operations / report.seconds,
      p50Ms: report.p50Ms,
      p99Ms: report.p99Ms,
      errors: report.errors,
      generatorCores: (endedChildrenCpuSeconds() - cpuBefore) / report.seconds,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true });
  }
}
