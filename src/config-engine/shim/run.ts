/**
 * One action from claim to exit.json. Everything an agent needs to know is in the run directory, so agents may
 * come and go. exit.json is written last, after the transcript is durable; when it is there, no process of
 * the run's session is left and no file with values of vars either.
 */
import { rmSync } from "node:fs";
import { constants as osConstants } from "node:os";
import { pid } from "node:process";
import { must } from "../../base/assert.ts";
import { type Clock } from "../../base/clock.ts";
import { errorMessage } from "../../base/errors.ts";
import { ReservedFile, createFile, replaceFile } from "../durable-file.ts";
import { type StopReport, stopProcesses } from "../process-stop.ts";
import { identify, sessionAndDescendants, sessionMembers } from "../process-table.ts";
import {
  type EndCause,
  type ExitRecord,
  type StoredSpec,
  readCancelReason,
  readJsonFile,
  readSpec,
} from "../run-files.ts";
import { type RunPaths } from "../run-paths.ts";
import { OutputTail } from "./output-tail.ts";
import { SecretMask } from "./secret-mask.ts";
import { type CommandEnd, TerminalCommand } from "./terminal-command.ts";
import { TranscriptWriter } from "./transcript-writer.ts";

/** Room for the longest exit.json: its texts are bounded, and JSON may make six bytes of one. */
const exitBytes = 48 * 1024;

interface Stop {
  readonly cause: EndCause;
  readonly reason: string;
}

export class ShimRun {
  readonly #paths: RunPaths;
  readonly #clock: Clock;
  readonly #tail = new OutputTail();
  readonly #stopAsked = Promise.withResolvers<Stop>();
  #stop: Stop | null = null;

  constructor(paths: RunPaths, clock: Clock) {
    this.#paths = paths;
    this.#clock = clock;
  }

  /** Told to end: by the engine, which left cancel.json, or by anybody else. */
  terminate(): void {
    const reason = readCancelReason(this.#paths.cancel);
    this.#askStop(
      reason === null
        ? { cause: "stopped", reason: "the shim was told to end (is the machine going down?)" }
        : { cause: "cancelled", reason },
    );
  }

  /** Runs the action; false when it is not ours to run, as another shim has claimed it or it is gone. */
  async run(): Promise<boolean> {
    const spec = readSpec(this.#paths.spec);
    const self = must(identify(pid), "a running process is in /proc");
    if (spec === null) return false;
    const exit = new ReservedFile(this.#paths.exit, exitBytes);
    if (!createFile(this.#paths.shim, JSON.stringify(self))) {
      exit.release();
      return false;
    }
    const mask = new SecretMask(takeSecrets(this.#paths.secrets));
    const record = await this.#execute(spec, mask);
    for (const file of [this.#paths.vars, this.#paths.inventory]) rmSync(file, { force: true });
    exit.commit(JSON.stringify(record));
    return true;
  }

  async #execute(spec: StoredSpec, mask: SecretMask): Promise<ExitRecord> {
    const startedAt = this.#clock.wallMs();
    const writer = new TranscriptWriter(this.#paths.transcript, spec.transcriptBytes);
    const store = (bytes: Uint8Array): void => {
      if (bytes.length === 0) return;
      this.#tail.push(bytes);
      writer.append(bytes, this.#clock.wallMs());
    };
    const end = await this.#runCommand(spec, (bytes) => store(mask.push(bytes)));
    store(mask.end());
    for (const note of end.notes) store(Buffer.from(`[muster: ${note}]\r\n`));
    writer.close();
    const { stop } = end;
    return {
      cause: stop?.cause ?? "exited",
      exitCode: end.exitCode,
      signal: end.signal === null ? null : osConstants.signals[end.signal],
      startedAt,
      endedAt: this.#clock.wallMs(),
      reason: stop?.reason ?? "",
      tail: this.#tail.text(),
      outputError: writer.failure ?? end.outputError,
    };
  }

  async #runCommand(spec: StoredSpec, onOutput: (bytes: Uint8Array) => void): Promise<RunEnd> {
    const cancelled = readCancelReason(this.#paths.cancel);
    if (cancelled !== null) this.#askStop({ cause: "cancelled", reason: cancelled });
    if (this.#stop !== null) return unstarted(this.#stop);
    try {
      const command = new TerminalCommand({ ...spec, onOutput }, this.#clock);
      const session = await command.started();
      this.#recordChild(session);
      return await this.#see(command, session, spec);
    } catch (error) {
      return unstarted({ cause: "not-started", reason: errorMessage(error) });
    }
  }

  /** Waits for the end, or brings it about; then takes away what the command left behind. */
  async #see(command: TerminalCommand, session: number, spec: StoredSpec): Promise<RunEnd> {
    const cancelTimer = this.#clock.setTimer(spec.timeoutMs, () => {
      this.#askStop({ cause: "timed-out", reason: "" });
    });
    const notes: string[] = [];
    const ended = command.ended.then((): Stop | null => null);
    const stop = await Promise.race([ended, this.#stopAsked.promise]);
    cancelTimer();
    let end: CommandEnd = { exitCode: null, signal: null };
    if (stop !== null) {
      const tree = (): ReturnType<typeof sessionMembers> => sessionAndDescendants(session, pid);
      const report = await stopProcesses(tree, spec.graceMs, { clock: this.#clock });
      notes.push(...stopNotes(stop, report));
      if (report.left.length === 0) end = await command.ended;
    } else end = await command.ended;
    const left = await stopProcesses(() => sessionMembers(session), spec.graceMs, {
      clock: this.#clock,
    });
    if (left.told.length > 0)
      notes.push(`ended what was left in the background: ${list(left.told)}`);
    if (left.left.length > 0) notes.push(`could not end: ${list(left.left)}`);
    const whole = await command.drain(this.#clock);
    return {
      ...end,
      notes,
      stop,
      outputError: whole ? null : "the end of the output was not read",
    };
  }

  #askStop(stop: Stop): void {
    if (this.#stop !== null) return;
    this.#stop = stop;
    this.#stopAsked.resolve(stop);
  }

  /** Lets an engine find what is left when we are killed. On a full disk it finds it without. */
  #recordChild(session: number): void {
    try {
      const child = identify(session);
      if (child !== null) replaceFile(this.#paths.child, JSON.stringify(child));
    } catch {
      // The environment of the processes names the run as well.
    }
  }
}

interface RunEnd extends CommandEnd {
  readonly notes: readonly string[];
  readonly stop: Stop | null;
  readonly outputError: string | null;
}

function unstarted(stop: Stop): RunEnd {
  return { exitCode: null, signal: null, notes: [], stop, outputError: null };
}

function stopNotes(stop: Stop, report: StopReport): string[] {
  const why = stop.cause === "timed-out" ? "the time limit was reached" : stop.reason;
  const how = report.killed ? "SIGTERM, then SIGKILL" : "SIGTERM";
  return report.told.length === 0 ? [] : [`${why}: ${how} to ${list(report.told)}`];
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 10).join(", ");
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown;
}

/** Secrets are read once and leave the disk before the command starts. */
function takeSecrets(file: string): readonly string[] {
  const value: unknown = readJsonFile(file);
  rmSync(file, { force: true });
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
