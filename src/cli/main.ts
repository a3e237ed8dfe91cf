/**
 * The command line: parses, runs one command, turns every failure into one clear line and an exit code. The
 * entry of bin/muster, and what bootstrap.ts calls.
 */
import process from "node:process";
import { Command, CommanderError } from "commander";
import { errorCode, errorMessage } from "../base/errors.ts";
import { addConfigCommands, addTokenCommands } from "./commands/access.ts";
import { addActionCommands } from "./commands/actions.ts";
import { addAgentCommands } from "./commands/agent.ts";
import { addClusterCommands } from "./commands/cluster.ts";
import { addJobCommands } from "./commands/jobs.ts";
import { addNodeCommands } from "./commands/nodes.ts";
import { addRoleCommands, addSettingCommands, addVariableCommands } from "./commands/variables.ts";
import { type CliContext } from "./context.ts";
import { exitCodeOf, exitCodes } from "./exit-codes.ts";
import { version } from "../base/version.ts";

/** The slice of the process that the command line uses. */
export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: {
    write(text: string): boolean;
    readonly isTTY?: boolean;
    readonly columns?: number;
  };
  readonly stderr: { write(text: string): boolean; readonly isTTY?: boolean };
  on(event: "SIGINT", listener: () => void): unknown;
}

/** Runs one command line (without node and script) and resolves with its exit code. */
export async function main(argv: readonly string[], host: Host): Promise<number> {
  const run = {
    exitCode: exitCodes.ok as number,
    agent: argv[0] === "agent" || argv[0] === "bootstrap",
  };
  const program = new Command("muster");
  const context = createContext(host, program, (code) => {
    run.exitCode = code;
  });
  buildProgram(program, context);
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    explain(error, context, program.opts()["debug"] === true);
    return exitCodeOf(error, run.agent);
  }
  return run.exitCode;
}

function buildProgram(program: Command, context: CliContext): void {
  program
    .description("Cluster manager with no server: ask any agent, it answers for the whole cluster")
    .version(version, "-V, --version")
    .option("--api-socket <PATH>", "unix socket of the agent to ask")
    .option("--data-dir <DIR>", "data directory of the agent to ask (its api.sock is used)")
    .option("--api-url <URL>", "http(s)://HOST:PORT of an agent, with a token")
    .option("--api-token-file <FILE>", "file with the API token [MUSTER_API_TOKEN]")
    .option("--api-ca <FILE>", "certificate (PEM) to trust besides the system's")
    .option("--request-timeout <DURATION>", "how long one request may take (default 30s)")
    .option("--debug", "show stack traces")
    .exitOverride()
    .configureOutput({ writeOut: context.print, writeErr: context.tell })
    .showHelpAfterError("(add --help for what is possible)");
  addClusterCommands(program, context);
  addNodeCommands(program, context);
  addActionCommands(program, context);
  addJobCommands(program, context);
  addVariableCommands(program, context);
  addRoleCommands(program, context);
  addSettingCommands(program, context);
  addConfigCommands(program, context);
  addTokenCommands(program, context);
  addAgentCommands(program, context);
  program
    .command("version")
    .description("version of this program")
    .action(() => context.print(version));
  for (const command of everyCommand(program)) {
    command.exitOverride().configureOutput({ writeOut: context.print, writeErr: context.tell });
  }
}

function everyCommand(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...everyCommand(child)]);
}

function createContext(
  host: Host,
  program: Command,
  setExitCode: (code: number) => void,
): CliContext {
  const line = (text: string): string => (text.endsWith("\n") ? text : `${text}\n`);
  const interrupt = new AbortController();
  let listening = false;
  return {
    env: host.env,
    print: (text) => void host.stdout.write(line(text)),
    tell: (text) => void host.stderr.write(line(text)),
    isTerminal: host.stdout.isTTY === true,
    columns: host.stdout.columns ?? 120,
    get interrupted() {
      if (!listening) host.on("SIGINT", () => interrupt.abort());
      listening = true;
      return interrupt.signal;
    },
    globalFlags: () => program.opts(),
    setExitCode,
  };
}

function explain(error: unknown, context: CliContext, debug: boolean): void {
  const code = errorCode(error);
  context.tell(`muster: ${errorMessage(error)}${code === undefined ? "" : ` (${code})`}`);
  if (debug && error instanceof Error && error.stack !== undefined) context.tell(error.stack);
}

if (import.meta.main) {
  process.exitCode = await main(process.argv.slice(2), process);
}
