/** `muster vars`: variables of all nodes, of a role, or of one node. */
import { type Command } from "commander";
import { type ApiClient } from "../../api/client.ts";
import { AgentError } from "../../base/errors.ts";
import { type JsonObject } from "../../base/json.ts";
import { type OutputFlags, parseChanges, readMapping, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { printSingle, type Single } from "../render/output.ts";
import { plain } from "../render/values.ts";
import { usage } from "../usage.ts";
import { patchRole } from "./roles.ts";

interface ScopeFlags {
  readonly node?: string;
  readonly role?: string;
}
type GetFlags = ScopeFlags & OutputFlags;
type SetFlags = ScopeFlags & { readonly file?: string };

export function addVariableCommands(program: Command, context: CliContext): void {
  const vars = program.command("vars").description("configuration variables: global, role or node");
  withOutput(withScope(vars.command("get", { isDefault: true })))
    .description("all variables of a level, or one")
    .argument("[KEY]")
    .action((key: string | undefined, flags: GetFlags) => getVars(context, key, flags));
  withScope(vars.command("set"))
    .description("set variables (KEY=VALUE) or remove them (KEY-); all at once, or none")
    .argument("[KEY=VALUE...]", "the value is JSON where it reads as JSON, else a text")
    .option("--file <FILE>", "a mapping of variables (YAML or JSON; - for stdin): for secrets")
    .action((texts: string[], flags: SetFlags) => setVars(context, texts, flags));
  withScope(vars.command("unset"))
    .description("remove variables")
    .argument("<KEY...>")
    .action((keys: string[], flags: ScopeFlags) => unsetVars(context, keys, flags));
}

function withScope(command: Command): Command {
  return command
    .option("--node <NODE>", "of this node, instead of all")
    .option("--role <ROLE>", "of this role, instead of all");
}

/** Where the variables are, in words. @throws AgentError USAGE when two places are named. */
function scopeText({ node, role }: ScopeFlags): string {
  if (node !== undefined && role !== undefined) throw usage("Give --node or --role, not both");
  if (node !== undefined) return `node ${node}`;
  return role === undefined ? "all nodes" : `role ${role}`;
}

async function readVars(client: ApiClient, { node, role }: ScopeFlags): Promise<JsonObject> {
  if (node !== undefined) {
    return (await client.call("getNode", { params: { name: node } })).value.vars;
  }
  if (role !== undefined) return (await client.call("getRole", { params: { role } })).value.vars;
  return (await client.call("listVars", {})).value.vars;
}

async function getVars(
  context: CliContext,
  key: string | undefined,
  flags: GetFlags,
): Promise<void> {
  const scope = scopeText(flags);
  const client = connect(context);
  if (key !== undefined) {
    await printSingle(context, await oneVar(client, key, flags), flags.output);
    return;
  }
  const vars = await readVars(client, flags);
  const keys = Object.keys(vars);
  if (keys.length === 0 && !["json", "yaml"].includes(flags.output)) {
    context.tell(`No variables for ${scope}`);
    return;
  }
  const lines = (): string => keys.map((name) => `${name}=${plain(vars[name])}`).join("\n");
  await printSingle(context, { value: vars, name: keys.join("\n"), lines }, flags.output);
}

/** Its bare value as text, so that `$(muster vars get KEY)` is what it says. */
async function oneVar(client: ApiClient, key: string, flags: ScopeFlags): Promise<Single> {
  const scope = scopeText(flags);
  if (flags.node === undefined && flags.role === undefined) {
    const { value } = await client.call("getVar", { params: { key } });
    return { value, name: key, lines: () => plain(value.value) };
  }
  const value = (await readVars(client, flags))[key];
  if (value === undefined) throw new AgentError("NOT_FOUND", `No variable "${key}" for ${scope}`);
  return { value: { key, value }, name: key, lines: () => plain(value) };
}

async function setVars(
  context: CliContext,
  texts: readonly string[],
  flags: SetFlags,
): Promise<void> {
  const scope = scopeText(flags);
  const fromFile = flags.file === undefined ? {} : await readMapping(flags.file);
  const patch = { ...fromFile, ...parseChanges(texts) };
  if (Object.keys(patch).length === 0) throw usage("Say what to set: KEY=VALUE, or --file FILE");
  await patchVars(connect(context), flags, patch);
  const removed = Object.values(patch).filter((value) => value === null).length;
  const set = Object.keys(patch).length - removed;
  const parts = [set > 0 ? `${set} set` : "", removed > 0 ? `${removed} removed` : ""];
  context.print(`${parts.filter((part) => part !== "").join(", ")} for ${scope}`);
}

async function unsetVars(
  context: CliContext,
  keys: readonly string[],
  flags: ScopeFlags,
): Promise<void> {
  const scope = scopeText(flags);
  await patchVars(connect(context), flags, Object.fromEntries(keys.map((key) => [key, null])));
  context.print(`${keys.length} removed for ${scope}`);
}

async function patchVars(
  client: ApiClient,
  { node, role }: ScopeFlags,
  patch: JsonObject,
): Promise<void> {
  if (node !== undefined) {
    await client.call("patchNode", { params: { name: node }, body: { vars: patch } });
  } else if (role !== undefined) await patchRole(client, role, patch);
  else await client.call("patchVars", { body: patch });
}
