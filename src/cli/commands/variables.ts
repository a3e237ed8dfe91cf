/** `muster vars`, `muster roles`, `muster settings`: what the operator sets for the whole cluster. */
import { type Command } from "commander";
import { type ApiClient } from "../../api/client.ts";
import { type Role } from "../../api/contract/variables.ts";
import { isJsonObject, type Json, type JsonObject } from "../../base/json.ts";
import { formatOf, parseLoose, readDocument, readMapping, withOutput } from "../arguments.ts";
import { connect, usage } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { printListing, printSingle } from "../render/output.ts";
import { type Column } from "../render/table.ts";
import { list, pairs, plain } from "../render/values.ts";
import { parseChanges } from "./nodes.ts";

interface ScopeFlags {
  readonly node?: string;
  readonly role?: string;
  readonly output?: string;
}

export function addVariableCommands(program: Command, context: CliContext): void {
  const vars = program.command("vars").description("configuration variables: global, role or node");
  withOutput(withScope(vars.command("get", { isDefault: true })))
    .description("all variables of a level, or one")
    .argument("[KEY]")
    .action((key: string | undefined, flags: ScopeFlags) => getVars(context, key, flags));
  withScope(vars.command("set"))
    .description("set variables; all of them at once, or none")
    .argument("[KEY=VALUE...]", "the value is JSON where it reads as JSON, else a text")
    .option("--file <FILE>", "a mapping of variables (YAML or JSON; - for stdin): for secrets")
    .action(async (texts: string[], flags: ScopeFlags & { file?: string }) => {
      const fromFile = flags.file === undefined ? {} : await readMapping(flags.file);
      const patch = { ...fromFile, ...parseChanges(texts) };
      if (Object.keys(patch).length === 0)
        throw usage("Say what to set: KEY=VALUE, or --file FILE");
      await patchVars(connect(context), flags, patch);
      context.print(`${Object.keys(patch).length} set for ${scopeText(flags)}`);
    });
  withScope(vars.command("unset"))
    .description("remove variables")
    .argument("<KEY...>")
    .action(async (keys: string[], flags: ScopeFlags) => {
      const patch = Object.fromEntries(keys.map((key) => [key, null]));
      await patchVars(connect(context), flags, patch);
      context.print(`${keys.length} removed for ${scopeText(flags)}`);
    });
}

function withScope(command: Command): Command {
  return command
    .option("--node <NODE>", "of this node, instead of all")
    .option("--role <ROLE>", "of this role, instead of all");
}

function scopeText(flags: ScopeFlags): string {
  if (flags.node !== undefined) return `node ${flags.node}`;
  return flags.role === undefined ? "all nodes" : `role ${flags.role}`;
}

async function readVars(client: ApiClient, flags: ScopeFlags): Promise<JsonObject> {
  if (flags.node !== undefined && flags.role !== undefined) {
    throw usage("Give --node or --role, not both");
  }
  if (flags.node !== undefined) {
    return (await client.call("getNode", { params: { name: flags.node } })).value.vars;
  }
  if (flags.role !== undefined) {
    return (await client.call("getRole", { params: { role: flags.role } })).value.vars;
  }
  return (await client.call("listVars", {})).value.vars;
}

async function getVars(
  context: CliContext,
  key: string | undefined,
  flags: ScopeFlags,
): Promise<void> {
  const client = connect(context);
  const format = formatOf(flags);
  if (key !== undefined && flags.node === undefined && flags.role === undefined) {
    const found = (await client.call("getVar", { params: { key } })).value;
    await printSingle(
      context,
      { value: found, name: key, lines: () => plain(found.value) },
      format,
    );
    return;
  }
  const vars = await readVars(client, flags);
  const shown = key === undefined ? vars : pick(vars, key, scopeText(flags));
  const lines = (): string =>
    Object.entries(shown)
      .map(([name, value]) => `${name}=${plain(value)}`)
      .join("\n");
  if (Object.keys(shown).length === 0 && format === "table") {
    context.tell(`No variables for ${scopeText(flags)}`);
    return;
  }
  const name = Object.keys(shown).join("\n");
  await printSingle(context, { value: shown, name, lines }, format);
}

function pick(vars: JsonObject, key: string, scope: string): JsonObject {
  const value = vars[key];
  if (value === undefined) throw usage(`No variable "${key}" for ${scope}`);
  return { [key]: value };
}

async function patchVars(client: ApiClient, flags: ScopeFlags, patch: JsonObject): Promise<void> {
  if (flags.node !== undefined && flags.role !== undefined) {
    throw usage("Give --node or --role, not both");
  }
  if (flags.node !== undefined) {
    await client.call("patchNode", { params: { name: flags.node }, body: { vars: patch } });
  } else if (flags.role !== undefined) await patchRole(client, flags.role, patch);
  else await client.call("patchVars", { body: patch });
}

/** A role's vars are replaced whole: read, change, write on condition that nobody else did meanwhile. */
async function patchRole(client: ApiClient, role: string, patch: JsonObject): Promise<void> {
  const params = { role };
  const current = await client.call("getRole", { params });
  const vars: Record<string, Json> = { ...current.value.vars };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete vars[key];
    else vars[key] = value;
  }
  const condition = current.version === null ? {} : { ifVersion: current.version };
  await client.call("putRole", { params, body: { vars } }, condition);
}

const roleColumns: readonly Column<Role>[] = [
  { head: "ROLE", cell: (role) => role.name },
  { head: "RUNNER", cell: (role) => role.definition?.runner ?? "not in this revision" },
  { head: "REQUIRES", cell: (role) => list(role.definition?.requires ?? []) },
  { head: "ACTIONS", cell: (role) => list(Object.keys(role.definition?.actions ?? {})) },
  { head: "MEMBERS", cell: (role) => list(role.members) },
  { head: "VARS", cell: (role) => pairs(role.vars), wide: true },
];

export function addRoleCommands(program: Command, context: CliContext): void {
  const roles = program.command("roles").description("roles that the config repository defines");
  withOutput(roles.command("list", { isDefault: true }))
    .description("all roles and their members")
    .action(async (flags: { output?: string }) => {
      const { items } = (await connect(context).call("listRoles", {})).value;
      const nameOf = (role: Role): string => role.name;
      const listing = { items, columns: roleColumns, nameOf, none: "No roles" };
      await printListing(context, listing, formatOf(flags));
    });
  roles
    .command("set")
    .description("set vars of a role (KEY=VALUE) or remove them (KEY-)")
    .argument("<ROLE>")
    .argument("<VAR...>")
    .action(async (role: string, texts: string[]) => {
      await patchRole(connect(context), role, parseChanges(texts));
      context.print(`role ${role} set`);
    });
}

export function addSettingCommands(program: Command, context: CliContext): void {
  const settings = program.command("settings").description("behaviour of the manager itself");
  withOutput(settings.command("get", { isDefault: true }))
    .description("all settings")
    .action(async (flags: { output?: string }) => {
      const { value } = await connect(context).call("getSettings", {});
      const lines = (): string =>
        Object.entries(value.settings)
          .map(([key, setting]) => `${key}=${plain(setting)}`)
          .join("\n");
      await printSingle(context, { value, name: "settings", lines }, formatOf(flags));
    });
  settings
    .command("set")
    .description("change settings; in force at once")
    .argument("[KEY=VALUE...]", "autoCommission.selector=rack=r1, repair=auto, autoCommission=null")
    .option("--file <FILE>", "a merge patch of the settings (YAML or JSON; - for stdin)")
    .action(async (texts: string[], flags: { file?: string }) => {
      const fromFile = flags.file === undefined ? {} : await readDocument(flags.file);
      if (!isJsonObject(fromFile)) throw usage("The settings file is not a mapping");
      const body = { ...fromFile, ...nested(texts) };
      if (Object.keys(body).length === 0) throw usage("Say what to set: KEY=VALUE, or --file FILE");
      await connect(context).call("patchSettings", { body });
      context.print("settings changed");
    });
}

/** `a.b=c` as `{a: {b: c}}`; a value with commas in a key that ends in `roles` is a list. */
function nested(texts: readonly string[]): JsonObject {
  const patch: Record<string, Json> = {};
  for (const text of texts) {
    const equals = text.indexOf("=");
    if (equals <= 0) throw usage(`Cannot read "${text}": expected KEY=VALUE`);
    const path = text.slice(0, equals).split(".");
    const raw = text.slice(equals + 1);
    const [first, second] = path;
    if (first === undefined || path.length > 2) throw usage(`Unknown setting "${path.join(".")}"`);
    const parsed = parseLoose(raw);
    const value = second === "roles" && typeof parsed === "string" ? parsed.split(",") : parsed;
    if (second === undefined) patch[first] = value;
    else {
      const before = patch[first];
      patch[first] = { ...(isJsonObject(before) ? before : {}), [second]: value };
    }
  }
  return patch;
}
