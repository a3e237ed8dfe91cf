/**
 * Ends the story of a run whose shim is gone: nothing of it is left running, no file with values of vars is
 * left on disk, and exit.json says `lost`, so that the next agent process comes to the same result.
 */
import { readFileSync, rmSync } from "node:fs";
import { type Clock } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type Logger } from "../base/logger.ts";
import { createFile, replaceFile } from "./durable-file.ts";
import { currentBootId, parseIdentity } from "./process-table.ts";
import { type EndCause, type ExitRecord, type StoredSpec, readJsonFile } from "./run-files.ts";
import { endLeftovers } from "./run-leftovers.ts";
import { type RunPaths } from "./run-paths.ts";

/** A claim that no process holds: whoever writes it makes sure that no shim starts the run any more. */
const engineClaim = JSON.stringify({ pid: 0, startTime: 0, bootId: "claimed by the engine" });

/** @throws the reason of `context.signal` when it aborts; the next agent process settles the run then. */
export async function settleLostRun(
  run: { readonly paths: RunPaths; readonly spec: StoredSpec },
  reason: string,
  context: {
    readonly graceMs: number;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly signal: AbortSignal;
  },
): Promise<ExitRecord> {
  const { paths, spec } = run;
  const cause: EndCause = claimForEngine(paths) ? "not-started" : "lost";
  const shim = parseIdentity(readJsonFile(paths.shim));
  if (cause === "lost" && shim?.bootId === currentBootId()) {
    const report = await endLeftovers(paths, spec.environment["MUSTER_VARS"] ?? "", context);
    if (report.told.length > 0) {
      context.logger.warn({ run: spec.id, ...report }, "ended what a killed shim left behind");
    }
  }
  const log = lastOfLog(paths.log);
  const exit: ExitRecord = {
    cause,
    exitCode: null,
    signal: null,
    startedAt: spec.createdAt,
    endedAt: context.clock.wallMs(),
    reason: log === "" ? reason : `${reason} (${log})`,
    tail: "",
    outputError: null,
  };
  for (const file of [paths.vars, paths.inventory, paths.secrets]) rmSync(file, { force: true });
  try {
    replaceFile(paths.exit, JSON.stringify(exit));
  } catch (error) {
    context.logger.warn(
      { run: spec.id, error: errorMessage(error) },
      "a result could not be stored",
    );
  }
  return exit;
}

/** True when no shim has claimed the run, and none can any more. */
export function claimForEngine(paths: RunPaths): boolean {
  try {
    if (createFile(paths.shim, engineClaim)) return true;
  } catch {
    // A full disk: what stands there decides, and a shim could not write its claim either.
  }
  const holder = parseIdentity(readJsonFile(paths.shim));
  return holder === null || holder.pid === 0;
}

function lastOfLog(file: string): string {
  try {
    return readFileSync(file, "utf8").trim().slice(-500);
  } catch {
    return "";
  }
}
