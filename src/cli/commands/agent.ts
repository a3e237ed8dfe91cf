/** `muster agent` and `muster bootstrap`: the only verbs that are an agent instead of asking one. */
import { type Command, Option } from "commander";
import { environmentName, optionTable, type OptionSpec } from "../../agent/option-table.ts";
import { type Sourced } from "../../agent/options.ts";
import { type CliContext } from "../context.ts";
import { type Column, renderTable } from "../render/table.ts";

export function addAgentCommands(program: Command, context: CliContext): void {
  const agent = program
    .command("agent")
    .description("run the agent of this node in the foreground")
    .option("--print-config", "show every option, its value and where it came from, and exit");
  addAgentOptions(agent, false);
  agent.action(async (flags: Record<string, unknown>) => runInForeground("agent", flags, context));

  const bootstrap = program
    .command("bootstrap")
    .description("form a cluster on this node, its first, and run its agent")
    .option("--print-config", "show every option, its value and where it came from, and exit");
  addAgentOptions(bootstrap, true);
  bootstrap.action(async (flags: Record<string, unknown>) =>
    runInForeground("bootstrap", flags, context),
  );
}

function addAgentOptions(command: Command, bootstrap: boolean): void {
  for (const spec of optionTable as readonly OptionSpec[]) {
    if (spec.bootstrapOnly === true && !bootstrap) continue;
    const describe = `${spec.describe} [${environmentName(spec.flag)}]`;
    const option = new Option(`--${spec.flag} <${spec.value}>`, describe);
    if (spec.repeatable === true) {
      option.argParser((value: string, all: string[] | undefined) => [...(all ?? []), value]);
    }
    command.addOption(option);
  }
}

async function runInForeground(
  mode: "agent" | "bootstrap",
  given: Record<string, unknown>,
  context: CliContext,
): Promise<void> {
  const flags = toFlags(given, context.globalFlags());
  const { describeOptions, runAgent } = await import("../../agent/run.ts");
  if (given["printConfig"] === true) {
    const options = await describeOptions(flags, context.env);
    context.print(renderTable(options, optionColumns, { wide: true, columns: null }));
    return;
  }
  const code = await runAgent({ mode, flags, env: context.env, print: context.print });
  context.setExitCode(code);
}

const optionColumns: readonly Column<Sourced>[] = [
  { head: "OPTION", cell: ({ key }) => key },
  { head: "VALUE", cell: ({ value }) => (value === "" ? "-" : value) },
  { head: "SOURCE", cell: ({ source }) => source },
];

/** Commander's camel-case names back to flags; options that every verb has count here too. */
function toFlags(
  given: Record<string, unknown>,
  global: Readonly<Record<string, unknown>>,
): Record<string, string | string[]> {
  const flags: Record<string, string | string[]> = {};
  for (const spec of optionTable) {
    const key = spec.flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const value = given[key] ?? global[key];
    if (typeof value === "string") flags[spec.flag] = value;
    else if (Array.isArray(value)) flags[spec.flag] = value.map(String);
  }
  return flags;
}
