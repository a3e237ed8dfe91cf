/**
 * A command on a pseudo-terminal, in a session of its own, with all of its output.
 *
 * Linux may drop what the master has not read when the last slave closes. So we hold the slave open ourselves,
 * and at the end write a random mark into it: what the command wrote stands before the mark, and once the mark
 * is read nothing is missing.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { ReadStream } from "node:tty";
import { AssertionError } from "../../base/assert.ts";
import { type Clock, delay } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { MarkFinder } from "./mark-finder.ts";
import { openTerminal } from "./pty.ts";

export interface CommandOptions {
  readonly executable: string;
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly onOutput: (bytes: Uint8Array) => void;
}

export interface CommandEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

const columns = 200;
const rows = 50;
/** How long the last output may stand still before it is given up (a stopped terminal passes nothing on). */
const drainMs = 5000;

export class TerminalCommand {
  /** Settles when the command has ended; rejects when it could not be started. */
  readonly ended: Promise<CommandEnd>;
  readonly #child: ChildProcess;
  readonly #reader: ReadStream;
  readonly #hold: number;
  readonly #finder = new MarkFinder(
    Buffer.from(`\u001b]muster;${randomBytes(16).toString("hex")}\u0007`),
  );
  #lastRead = 0;

  constructor(options: CommandOptions, clock: Clock) {
    const terminal = openTerminal(columns, rows);
    this.#hold = openSync(
      terminal.slavePath,
      constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK,
    );
    const nothing = openSync("/dev/null", constants.O_RDWR);
    try {
      this.#child = spawnOn(terminal.slave, { master: terminal.master, nothing }, options);
    } finally {
      closeSync(terminal.slave);
      closeSync(nothing);
    }
    this.ended = endOf(this.#child);
    this.ended.catch(() => {}); // Whoever started us awaits it later; until then a failure is not unhandled.
    this.#reader = new ReadStream(terminal.master);
    this.#reader.on("data", (bytes: Buffer) => {
      this.#lastRead = clock.monotonicMs();
      const output = this.#finder.push(bytes);
      if (output.length > 0) options.onOutput(output);
    });
    this.#reader.on("error", () => {}); // EIO when the terminal is gone; `drain` has its own deadline.
  }

  /** The pid of the command: also the session of everything it starts. Rejects when it could not start. */
  async started(): Promise<number> {
    const { pid } = this.#child;
    if (pid !== undefined) return pid;
    this.#close();
    await this.ended;
    throw new AssertionError("Invariant broken: a command without a pid has failed to start");
  }

  /** Reads what is left of the output, then closes the terminal. False when the end was not seen. */
  async drain(clock: Clock): Promise<boolean> {
    this.#lastRead = clock.monotonicMs();
    let rest: Buffer = this.#finder.mark;
    while (!this.#finder.found && clock.monotonicMs() - this.#lastRead < drainMs) {
      if (rest.length > 0) rest = rest.subarray(this.#offer(rest));
      await delay(clock, this.#finder.found ? 0 : 1);
    }
    this.#close();
    return this.#finder.found;
  }

  #close(): void {
    closeSync(this.#hold);
    this.#reader.destroy();
  }

  /** Writes as much as the terminal takes now. */
  #offer(bytes: Buffer): number {
    try {
      return writeSync(this.#hold, bytes);
    } catch (error) {
      if (errorCode(error) === "EAGAIN") return 0;
      return bytes.length; // The terminal is broken; the deadline ends the wait.
    }
  }
}

/**
 * `setsid --ctty` gives the command its own session with our terminal. Standard input is empty: a command
 * that asks a question gets end-of-file at once instead of hanging until its timeout.
 */
function spawnOn(
  slave: number,
  shadow: { readonly master: number; readonly nothing: number },
  options: CommandOptions,
): ChildProcess {
  // node-pty leaves the master open on exec. A command that held it would never see us go (no hang-up), so it
  // gets an empty file under that number instead.
  const stdio: (number | "ignore")[] = Array<"ignore">(shadow.master + 1).fill("ignore");
  stdio[0] = slave;
  stdio[1] = slave;
  stdio[2] = slave;
  stdio[shadow.master] = shadow.nothing;
  const launcher = ["--ctty", "sh", "-c", 'exec "$0" </dev/null', options.executable];
  return spawn("setsid", launcher, {
    cwd: options.workingDirectory,
    env: options.environment,
    stdio,
  });
}

function endOf(child: ChildProcess): Promise<CommandEnd> {
  const { promise, resolve, reject } = Promise.withResolvers<CommandEnd>();
  child.once("error", reject);
  child.once("exit", (exitCode, signal) => resolve({ exitCode, signal }));
  return promise;
}
