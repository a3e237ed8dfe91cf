/** All verbs, and what is the same for all of them: global options, how a wrong word is answered, the exit codes. */
import { type Command } from "commander";
import { nearestWord } from "../base/nearest.ts";
import { addActionCommands } from "./commands/actions.ts";
import { addAgentCommands } from "./commands/agent.ts";
import { addClusterCommands } from "./commands/cluster.ts";
import { addConfigCommands } from "./commands/config.ts";
import { addEventCommands } from "./commands/events.ts";
import { addJobCommands } from "./commands/jobs.ts";
import { addNodeCommands } from "./commands/nodes.ts";
import { addOperatorCommands } from "./commands/operator.ts";
import { addRoleCommands } from "./commands/roles.ts";
import { addSettingCommands } from "./commands/settings.ts";
import { addTokenCommands } from "./commands/tokens.ts";
import { addVariableCommands } from "./commands/variables.ts";
import { addVersionCommand } from "./commands/version.ts";
import { type CliContext } from "./context.ts";
import { usage } from "./usage.ts";
import { version } from "../base/version.ts";

const footer = `
Which agent: --api-url, --api-socket or --data-dir; else the variables of the same names; else the agent of this
machine. Output is plain text without colours; every listing takes -o table|wide|json|yaml|name and -w.

Exit codes: 0 done; 1 failed (any node of a job); 2 usage; 3 drift found; 4 not found; 5 refused; 6 no agent, or no
writable cluster; 7 not allowed; 124 gave up waiting (the job goes on).`;

export function buildProgram(program: Command, context: CliContext): void {
  program
    .description("Cluster manager with no server: ask any agent, it answers for the whole cluster")
    .version(version, "-V, --version")
    .option("--api-socket <PATH>", "unix socket of the agent to ask [MUSTER_API_SOCKET]")
    .option("--data-dir <DIR>", "data directory of the agent to ask [MUSTER_DATA_DIR]")
    .option("--api-url <URL>", "http(s)://HOST:PORT of an agent [MUSTER_API_URL]")
    .option("--api-token-file <FILE>", "the token for it [MUSTER_API_TOKEN, or _TOKEN_FILE]")
    .option("--api-ca <FILE>", "certificate (PEM) to trust besides the system's [MUSTER_API_CA]")
    .option("--request-timeout <DURATION>", "for one request (30s) [MUSTER_REQUEST_TIMEOUT]")
    .option("--debug", "show stack traces")
    .exitOverride()
    .configureOutput({
      writeOut: context.print,
      writeErr: context.tell,
      outputError: (text, write) => write(text.replace(/^error: /, "muster: ")),
    })
    .showHelpAfterError("(add --help for what is possible)")
    .addHelpText("after", footer);
  addClusterCommands(program, context);
  addEventCommands(program, context);
  addNodeCommands(program, context);
  addActionCommands(program, context);
  addJobCommands(program, context);
  addVariableCommands(program, context);
  addRoleCommands(program, context);
  addSettingCommands(program, context);
  addConfigCommands(program, context);
  addTokenCommands(program, context);
  addOperatorCommands(program, context);
  addAgentCommands(program, context);
  addVersionCommand(program, context);
  for (const group of program.commands) explainWrongVerb(group);
}

/**
 * `muster nodes lst`: the word lands at the verb that a group means by default, which takes none. Say what the
 * group has, instead of how many arguments that verb expected.
 */
function explainWrongVerb(group: Command): void {
  if (group.commands.length === 0) return;
  for (const verb of group.commands) {
    if (verb.registeredArguments.length === 0) verb.allowExcessArguments();
  }
  group.hook("preAction", (_, verb) => {
    const word = verb.args[verb.registeredArguments.length];
    if (verb.registeredArguments.some(({ variadic }) => variadic) || word === undefined) return;
    const verbs = group.commands.map((command) => command.name());
    const near = nearestWord(word, verbs);
    const hint = near === null ? "" : `; did you mean "${near}"?`;
    throw usage(
      `Cannot use "${word}" after "muster ${group.name()}": expected ${verbs.join(", ")}${hint}`,
    );
  });
}
