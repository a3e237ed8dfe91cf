/** How an exit becomes the result of a run. Pure: the one place that knows what exit codes mean. */
import { formatDuration } from "../base/duration.ts";
import { type FinishedRun, type RunOutcome } from "../inventory/records.ts";
import { type ExitRecord, type StoredSpec } from "./run-files.ts";

/** `verify` tells drift from failure by this code. */
const driftExitCode = 2;
const messageBytes = 4096;

/** `cancelReason`: what we asked for ourselves, in case the shim could not read it from a full disk. */
export function finishedRun(
  spec: StoredSpec,
  exit: ExitRecord,
  cancelReason: string | null,
): FinishedRun {
  const [outcome, message] = judge(spec, exit, cancelReason);
  return {
    id: spec.id,
    role: spec.role,
    action: spec.action,
    attempt: spec.attempt,
    revision: spec.revision,
    outcome,
    exitCode: exit.exitCode,
    signal: exit.signal,
    startedAt: exit.startedAt,
    endedAt: exit.endedAt,
    message: cutToBytes(message, messageBytes),
  };
}

function judge(spec: StoredSpec, exit: ExitRecord, cancel: string | null): [RunOutcome, string] {
  switch (exit.cause) {
    case "exited":
      return judgeExit(spec, exit);
    case "timed-out":
      return ["timed-out", withTail(`did not end within ${formatDuration(spec.timeoutMs)}`, exit)];
    case "cancelled":
      return ["cancelled", exit.reason];
    case "stopped":
      return cancel === null ? ["lost", exit.reason] : ["cancelled", cancel];
    case "not-started":
      return ["failed", `could not be started: ${exit.reason}`];
    case "lost":
      return ["lost", exit.reason];
  }
}

function judgeExit(spec: StoredSpec, exit: ExitRecord): [RunOutcome, string] {
  if (exit.outputError !== null) {
    const how = `the output could not be stored (${exit.outputError}); the action ${ending(exit)}`;
    return ["failed", how];
  }
  if (exit.exitCode === 0) return ["succeeded", ""];
  if (spec.action === "verify" && exit.exitCode === driftExitCode) return ["drifted", exit.tail];
  return ["failed", withTail(ending(exit), exit)];
}

function ending(exit: ExitRecord): string {
  return exit.exitCode === null
    ? `was killed by signal ${exit.signal}`
    : `exited with ${exit.exitCode}`;
}

function withTail(what: string, exit: ExitRecord): string {
  return exit.tail === "" ? what : `${what}: ${exit.tail}`;
}

/** At most `limit` bytes of UTF-8, cut between characters. */
function cutToBytes(text: string, limit: number): string {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= limit) return text;
  let end = limit;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}
