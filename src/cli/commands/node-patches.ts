/** What the operator owns of a node: labels, roles, vars. */
import { type Command } from "commander";
import { type Node } from "../../api/contract/nodes.ts";
import { type JsonObject } from "../../base/json.ts";
import { type OutputFlags, parseChanges, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { printSingle } from "../render/output.ts";
import { list, pairs, plain } from "../render/values.ts";
import { usage } from "../usage.ts";

export function addNodePatches(nodes: Command, context: CliContext): void {
  withOutput(nodes.command("label"))
    .description("set labels (KEY=VALUE) or remove them (KEY-)")
    .argument("<NODE>")
    .argument("<LABEL...>", "rack=r1, disk-")
    .action(async (name: string, texts: string[], flags: OutputFlags) => {
      const node = await patch(context, name, { labels: parseLabels(texts) });
      await printNode(context, node, flags, () => `${node.name}: ${pairs(node.labels)}`);
    });
  withOutput(nodes.command("role"))
    .description("assign roles: add, remove, or set all of them; show them when none is given")
    .argument("<NODE>")
    .argument("[ROLE...]", "+web (or web) adds, web- removes")
    .option("--set <ROLES>", "exactly these, separated by commas ('' for none)")
    .action(async (name: string, changes: string[], flags: RoleFlags) => {
      const { node, isChanged } = await changeRoles(context, name, changes, flags.set);
      await printNode(context, node, flags, () => `${node.name}: ${list(node.roles)}`);
      if (isChanged && node.phase === "commissioned") {
        context.tell(`Assigned, not applied yet; apply: muster upgrade ${node.name}`);
      }
    });
  withOutput(nodes.command("vars"))
    .description("set vars of one node (KEY=VALUE) or remove them (KEY-); show when none is given")
    .argument("<NODE>")
    .argument("[VAR...]", "KEY=VALUE or KEY-")
    .action(async (name: string, texts: string[], flags: OutputFlags) => {
      const node =
        texts.length === 0
          ? (await connect(context).call("getNode", { params: { name } })).value
          : await patch(context, name, { vars: parseChanges(texts) });
      const lines = Object.entries(node.vars).map(([key, value]) => `${key}=${plain(value)}`);
      const isText = flags.output === "table" || flags.output === "wide";
      if (lines.length === 0 && isText) context.tell(`No variables for node ${name}`);
      else await printNode(context, node, flags, () => lines.join("\n"));
    });
}

interface RoleFlags extends OutputFlags {
  readonly set?: string;
}

async function printNode(
  context: CliContext,
  node: Node,
  { output }: OutputFlags,
  lines: () => string,
): Promise<void> {
  await printSingle(context, { value: node, name: node.name, lines }, output);
}

interface NodePatch {
  readonly labels?: Readonly<Record<string, string | null>>;
  readonly roles?: readonly string[];
  readonly vars?: JsonObject;
}

async function patch(context: CliContext, name: string, body: NodePatch): Promise<Node> {
  return (await connect(context).call("patchNode", { params: { name }, body })).value;
}

/** Labels are texts, whatever they look like. */
function parseLabels(texts: readonly string[]): Readonly<Record<string, string | null>> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf("=");
      if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
      if (equals < 0 && text.length > 1 && text.endsWith("-")) return [text.slice(0, -1), null];
      throw usage(`Cannot read "${text}": expected KEY=VALUE, or KEY- to remove`);
    }),
  );
}

/** Adding and removing read the node first; the write is conditional, so that no other change is lost. */
async function changeRoles(
  context: CliContext,
  name: string,
  changes: readonly string[],
  set: string | undefined,
): Promise<{ readonly node: Node; readonly isChanged: boolean }> {
  const client = connect(context);
  const params = { name };
  if (set !== undefined) {
    if (changes.length > 0) throw usage("Give roles to add or remove, or --set, not both");
    const roles = set
      .split(",")
      .map((role) => role.trim())
      .filter((role) => role !== "");
    const body = { roles: [...new Set(roles)] };
    return { node: (await client.call("patchNode", { params, body })).value, isChanged: true };
  }
  const current = await client.call("getNode", { params });
  if (changes.length === 0) return { node: current.value, isChanged: false };
  const roles = new Set(current.value.roles);
  for (const change of changes) {
    if (!/[^+-]/.test(change)) throw usage(`Cannot read "${change}": expected ROLE or ROLE-`);
    if (change.endsWith("-")) roles.delete(change.slice(0, -1));
    else roles.add(change.replace(/^\+/, ""));
  }
  const condition = current.etag === null ? {} : { ifMatch: current.etag };
  const body = { roles: [...roles] };
  const { value } = await client.call("patchNode", { params, body }, condition);
  return { node: value, isChanged: true };
}
