/** `muster roles`: what the revision defines, what the operator set, who has them. */
import { type Command } from "commander";
import { type ApiClient } from "../../api/client.ts";
import { type Role } from "../../api/contract/variables.ts";
import { type Json, type JsonObject } from "../../base/json.ts";
import { parseChanges, readMapping, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { type Column, renderFields } from "../render/table.ts";
import { list, pairs } from "../render/values.ts";
import { usage } from "../usage.ts";
import { type WatchFlags, watchListing, watchSingle, withWatch } from "../watch.ts";

const roleColumns: readonly Column<Role>[] = [
  { head: "ROLE", cell: (role) => role.name },
  { head: "RUNNER", cell: (role) => role.definition?.runner ?? "not in this revision" },
  { head: "REQUIRES", cell: (role) => list(role.definition?.requires ?? []), shrinks: true },
  { head: "ACTIONS", cell: (role) => list(Object.keys(role.definition?.actions ?? {})) },
  { head: "MEMBERS", cell: (role) => list(role.members), shrinks: true },
  { head: "VARS", cell: (role) => pairs(role.vars), wide: true },
];

export function addRoleCommands(program: Command, context: CliContext): void {
  const roles = program.command("roles").description("roles that the config repository defines");
  withWatch(withOutput(roles.command("list", { isDefault: true })))
    .description("all roles and their members")
    .action(async (flags: WatchFlags) => {
      const client = connect(context);
      await watchListing(context, flags, async () => {
        const { items } = (await client.call("listRoles", {})).value;
        const none = "No roles; give a config repository: muster config set-repo URL";
        return { items, columns: roleColumns, nameOf: (role: Role) => role.name, none };
      });
    });
  withWatch(withOutput(roles.command("show")))
    .description("one role: actions, vars, secrets, members")
    .argument("<ROLE>")
    .action(async (role: string, flags: WatchFlags) => {
      const client = connect(context);
      await watchSingle(context, flags, async () => {
        const { value } = await client.call("getRole", { params: { role } });
        return { value, name: role, lines: () => roleLines(value) };
      });
    });
  roles
    .command("set")
    .description("set vars of a role (KEY=VALUE) or remove them (KEY-)")
    .argument("<ROLE>")
    .argument("[VAR...]", "KEY=VALUE or KEY-")
    .option("--file <FILE>", "a mapping of variables (YAML or JSON; - for stdin): for secrets")
    .action(async (role: string, texts: string[], flags: { readonly file?: string }) => {
      const fromFile = flags.file === undefined ? {} : await readMapping(flags.file);
      const patch = { ...fromFile, ...parseChanges(texts) };
      if (Object.keys(patch).length === 0) {
        throw usage("Say what to set: KEY=VALUE, KEY-, or --file FILE");
      }
      await patchRole(connect(context), role, patch);
      context.print(`${Object.keys(patch).length} changed for role ${role}`);
    });
}

function roleLines({ name, definition, revision, vars, members }: Role): string {
  const actions = Object.entries(definition?.actions ?? {}).map(
    ([action, { path, timeout }]) => `${action}: ${path} (at most ${timeout})`,
  );
  return renderFields([
    ["role", name],
    ["runner", definition?.runner ?? "not in this revision"],
    ["requires", list(definition?.requires ?? [])],
    ["actions", actions.length === 0 ? "-" : actions.join(", ")],
    ["secrets", list(definition?.secrets ?? [])],
    ["vars", pairs(vars)],
    ["members", list(members)],
    ["revision", revision ?? "-"],
  ]);
}

/** A role's vars are replaced whole: read, change, write on condition that nobody else did meanwhile. */
export async function patchRole(client: ApiClient, role: string, patch: JsonObject): Promise<void> {
  const params = { role };
  const current = await client.call("getRole", { params });
  const vars = new Map<string, Json>(Object.entries(current.value.vars));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) vars.delete(key);
    else vars.set(key, value);
  }
  const condition = current.etag === null ? {} : { ifMatch: current.etag };
  await client.call("putRole", { params, body: { vars: Object.fromEntries(vars) } }, condition);
}
