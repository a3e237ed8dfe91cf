/**
 * The command line: runs one command, turns every failure into clear text and an exit code. The entry of
 * bin/muster, and what bootstrap.ts calls.
 */
import process from "node:process";
import { setImmediate as written } from "node:timers/promises";
import { Command, CommanderError } from "commander";
import { errorCode, errorMessage } from "../base/errors.ts";
import { type CliContext } from "./context.ts";
import { exitCodeOf, exitCodes } from "./exit-codes.ts";
import { failureText } from "./failure-text.ts";
import { buildProgram } from "./program.ts";

interface Output {
  write(text: string): boolean;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** The slice of the process that the command line uses. */
export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Output & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Output;
  once(event: "SIGINT", listener: () => void): unknown;
}

interface Run {
  exitCode: number;
  /** This process is, or becomes, an agent. */
  agent: boolean;
}

/** Runs one command line (without node and script) and resolves with its exit code. */
export async function main(argv: readonly string[], host: Host): Promise<number> {
  const run: Run = { exitCode: exitCodes.ok, agent: false };
  const program = new Command("muster");
  const context = createContext(host, program, run);
  buildProgram(program, context);
  program.hook("preAction", (_, command) => {
    run.agent = command.parent === program && ["agent", "bootstrap"].includes(command.name());
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (error) {
    run.exitCode = explain(error, context, run.agent);
  }
  await written(); // an output that cannot be written says so in a callback
  return run.exitCode;
}

function explain(error: unknown, context: CliContext, agent: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
  context.tell(failureText(error, agent));
  if (context.globalFlags()["debug"] === true && error instanceof Error) {
    context.tell(error.stack ?? errorMessage(error));
    if (error.cause instanceof Error) context.tell(`caused by ${error.cause.stack ?? ""}`);
  }
  return exitCodeOf(error, agent);
}

function createContext(host: Host, program: Command, run: Run): CliContext {
  const { stdout, stderr } = host;
  const line = (text: string): string => (text.endsWith("\n") ? text : `${text}\n`);
  const interrupt = new AbortController();
  const closed = new AbortController();
  let listening = false;
  const tell = (text: string): void => void stderr.write(line(text));
  stderr.on("error", () => undefined); // there is nobody left to tell
  stdout.on("error", (error) => {
    if (!closed.signal.aborted && errorCode(error) !== "EPIPE") {
      tell(`muster: Cannot write the output: ${error.message}`);
      run.exitCode = exitCodes.failed;
    }
    closed.abort();
  });
  return {
    env: host.env,
    print: (text) => {
      if (!closed.signal.aborted) stdout.write(line(text));
    },
    tell,
    columns: stdout.isTTY === true ? (stdout.columns ?? null) : null,
    get interrupted() {
      if (!listening) host.once("SIGINT", () => interrupt.abort());
      listening = true;
      return interrupt.signal;
    },
    outputClosed: closed.signal,
    globalFlags: () => program.opts(),
    setExitCode: (code) => {
      run.exitCode = code;
    },
  };
}

/** Not at the top level: a bundle's program is a script, which V8 keeps compiled as a whole (tools/start.cjs). */
async function runProcess(): Promise<void> {
  process.exitCode = exitCodes.failed; // should nothing be left to wait for before it ends
  process.exitCode = await main(process.argv.slice(2), process);
}

if (import.meta.main) void runProcess();
