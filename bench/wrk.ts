/**
 * Closed-loop load over HTTP by wrk, a compiled generator: its own cost must not hide the servers'. The scripts in
 * bench/wrk make the requests.
 */
import { execFile, spawnSync } from "node:child_process";
import path from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { type LoadResult } from "./load.ts";
import { endedChildrenCpuSeconds } from "./process-cpu.ts";

export interface WrkRun {
  readonly script: "muster-put" | "muster-get" | "etcd-put" | "etcd-get";
  readonly port: number;
  readonly clients: number;
  readonly seconds: number;
  readonly args: readonly string[];
}

interface Report {
  readonly requests: number;
  readonly durationUs: number;
  /** Answers in the histogram as it was measured: all that came in time, or its correction was not taken back rightly. */
  readonly counted: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly refused: number;
  readonly broken: number;
}

export function wrkInstalled(): boolean {
  return spawnSync("wrk", ["--version"]).error === undefined;
}

export async function runWrk(run: WrkRun): Promise<LoadResult> {
  const script = path.join(import.meta.dirname, "wrk", `${run.script}.lua`);
  const shape = ["-t1", `-c${run.clients}`, `-d${run.seconds}s`, "--timeout", "10s", "-s", script];
  const cpuBefore = endedChildrenCpuSeconds();
  const url = `http://127.0.0.1:${run.port}`;
  const env = { ...process.env, WRK_CLIENTS: String(run.clients) };
  const { stdout } = await promisify(execFile)("wrk", [...shape, url, "--", ...run.args], { env });
  const line = stdout.split("\n").find((text) => text.startsWith("{"));
  const report = JSON.parse(line ?? "null") as Report | null;
  if (report === null) throw new Error(`wrk reported nothing:\n${stdout}`);
  const missing = report.requests - report.counted;
  if (missing < 0 || missing > report.broken) {
    throw new Error(`wrk's histogram is not what report.lua takes it for:\n${stdout}`);
  }
  const seconds = report.durationUs / 1e6;
  return {
    clients: run.clients,
    perSecond: (report.requests - report.refused) / seconds,
    p50Ms: report.p50Us / 1000,
    p99Ms: report.p99Us / 1000,
    errors: report.refused + report.broken,
    generatorCores: (endedChildrenCpuSeconds() - cpuBefore) / seconds,
  };
}
