/**
 * From flags and environment to a running agent in the foreground: what `muster agent`, `muster bootstrap` and
 * bootstrap.ts share. SIGTERM stops the agent (the machine means to come back), SIGINT says good-bye first.
 */
import process from "node:process";
import { lastResort } from "../base/clock.ts";
import { AgentError, errorCode, errorMessage } from "../base/errors.ts";
import { Agent } from "./agent.ts";
import { createLogger } from "./logger.ts";
import { type Environment, type Flags, resolveOptions, type Sourced } from "./options.ts";

export type StartMode = "agent" | "bootstrap";

export interface RunInput {
  readonly mode: StartMode;
  readonly flags: Flags;
  readonly env: Environment;
  /** Lines for the operator: how to reach the API, what to paste on the next node. */
  readonly print: (line: string) => void;
}

/** sysexits EX_TEMPFAIL: storage failed, a supervisor may start the agent again. */
const exitStorageFailed = 75;
/** Not allowed any more (interfaces.md): a restart would change nothing. */
const exitEvicted = 7;
/** Refused: another process has the key, which waiting does not change. */
const exitDoubled = 5;
/** sysexits EX_SOFTWARE. */
const exitHung = 70;
const exitCodes = new Map([
  ["MEMBER_EVICTED", exitEvicted],
  ["IDENTITY_DOUBLED", exitDoubled],
]);
/** An agent that hangs while stopping is ended by force after this long. */
const stopLimitMs = 4500;
/** What is left in the event loop after a clean stop is waited for so long. */
const leftoverMs = 50;
/**
 * Small buffers are cut from pieces of this size, and one that is kept (an entry of the log, a peer's id) keeps its
 * whole piece. Node.js' own 64 kB made that several megabytes for an agent that knows fifty others.
 */
const poolBytes = 8 * 1024;

/** Runs until a signal or a failure; resolves with the exit code. Start failures are thrown. */
export async function runAgent(input: RunInput): Promise<number> {
  Buffer.poolSize = poolBytes;
  const { options, joinToken } = await resolveOptions(input.flags, input.env);
  const logger = createLogger(options.logLevel);
  const stop = new AbortController();
  let leave = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    leave ||= signal === "SIGINT";
    logger.info({ signal }, "stopping");
    stop.abort(new DOMException(signal, "AbortError"));
    setLastResort(exitHung);
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  const agent = new Agent({ options, joinToken, mode: input.mode }, { logger, print: input.print });
  let exitCode = 0;
  try {
    await agent.start(stop.signal);
    const end = await agent.ended(stop.signal);
    if (end !== null) {
      logger.error({ code: errorCode(end), error: errorMessage(end) }, "the agent stops");
      exitCode = exitCodes.get(errorCode(end) ?? "") ?? exitStorageFailed;
    }
  } catch (error) {
    if (!stop.signal.aborted || error instanceof AgentError) throw error;
  } finally {
    setLastResort(exitCode === 0 ? exitHung : exitCode);
    await agent.stop({ leave });
    process.off("SIGTERM", onSignal);
    process.off("SIGINT", onSignal);
  }
  // All is stopped and saved; libp2p keeps a timer of a second for addresses that nobody wants any more.
  lastResort(leftoverMs, () => process.exit(exitCode));
  return exitCode;
}

/** The values in force and where each came from, for `--print-config`. */
export async function describeOptions(flags: Flags, env: Environment): Promise<readonly Sourced[]> {
  return (await resolveOptions(flags, env)).sources;
}

/** The event loop should empty by itself; should it not (a disk that hangs), the process still ends, with `code`. */
function setLastResort(code: number): void {
  lastResort(stopLimitMs, () => process.exit(code));
}
