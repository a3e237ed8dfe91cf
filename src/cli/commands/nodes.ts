/** `muster nodes`: list and show; label, role, vars, forget. */
import { type Command } from "commander";
import { type HistoryEntry, type LedgerEntry, type Node } from "../../api/contract/nodes.ts";
import { type JsonObject } from "../../base/json.ts";
import { formatOf, parseAssignments, withOutput } from "../arguments.ts";
import { connect, usage } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { printListing, printSingle } from "../render/output.ts";
import { type Column } from "../render/table.ts";
import { list, plain, short } from "../render/values.ts";
import { watchListing, withWatch } from "../watch.ts";
import { nodeColumns, nodeLines } from "./node-text.ts";

export function addNodeCommands(program: Command, context: CliContext): void {
  const nodes = program.command("nodes").description("machines that the cluster knows");
  withWatch(withOutput(nodes.command("list", { isDefault: true })))
    .description("all nodes, or those that match")
    .option("-l, --selector <SELECTOR>", "rack=r1,role=web,phase=commissioned")
    .action((flags: ListFlags) => listNodes(context, flags));
  withOutput(nodes.command("show"))
    .description("one node with facts, conditions and history")
    .argument("<NODE>")
    .action(async (name: string, flags: OutputFlags) => {
      const node = (await connect(context).call("getNode", { params: { name } })).value;
      const single = { value: node, name: node.name, lines: () => nodeLines(node) };
      await printSingle(context, single, formatOf(flags));
    });
  addPast(nodes, context);
  addPatches(nodes, context);
  nodes
    .command("forget")
    .description("remove a decommissioned node and evict its agent for ever")
    .argument("<NODE>")
    .option("--force", "also one that is not decommissioned (an unreachable one, say)")
    .action(async (name: string, flags: { force?: boolean }) => {
      const query = flags.force === true ? { force: true } : {};
      await connect(context).call("forgetNode", { params: { name }, query });
      context.print(`${name} forgotten`);
    });
}

interface OutputFlags {
  readonly output?: string;
}
interface ListFlags extends OutputFlags {
  readonly selector?: string;
  readonly watch?: boolean;
}

async function listNodes(context: CliContext, flags: ListFlags): Promise<void> {
  if (flags.selector?.trim() === "") {
    throw usage("Cannot use an empty selector; leave -l out to list every node");
  }
  const client = connect(context);
  await watchListing(context, flags, async () => {
    const items: Node[] = [];
    let cursor: string | null = null;
    do {
      const query: { selector?: string; cursor?: string; limit: number } = { limit: 1000 };
      if (flags.selector !== undefined) query.selector = flags.selector;
      if (cursor !== null) query.cursor = cursor;
      const page = (await client.call("listNodes", { query })).value;
      items.push(...page.items);
      cursor = page.next;
    } while (cursor !== null);
    return { items, columns: nodeColumns, nameOf: (node) => node.name, none: "No nodes" };
  });
}

const historyColumns: readonly Column<HistoryEntry>[] = [
  { head: "TIME", cell: (entry) => entry.at },
  { head: "WHAT", cell: (entry) => entry.kind },
  { head: "FROM", cell: (entry) => entry.from ?? "-" },
  { head: "TO", cell: (entry) => entry.to },
  { head: "BY", cell: (entry) => entry.by },
  { head: "REASON", cell: (entry) => entry.reason },
];
const ledgerColumns: readonly Column<LedgerEntry>[] = [
  { head: "ENDED", cell: (entry) => entry.endedAt },
  { head: "ROLE", cell: (entry) => entry.role },
  { head: "ACTION", cell: (entry) => entry.action },
  { head: "OUTCOME", cell: (entry) => entry.outcome },
  { head: "EXIT", cell: (entry) => plain(entry.exitCode) },
  { head: "REVISION", cell: (entry) => short(entry.revision) },
  { head: "JOB", cell: (entry) => entry.job },
  { head: "RUN", cell: (entry) => entry.run, wide: true },
];

function addPast(nodes: Command, context: CliContext): void {
  withOutput(nodes.command("history"))
    .description("changes of phase, reachability, roles and labels, newest first")
    .argument("<NODE>")
    .action(async (name: string, flags: OutputFlags) => {
      const { items } = (await connect(context).call("getNodeHistory", { params: { name } })).value;
      const nameOf = (entry: HistoryEntry): string => entry.to;
      const listing = { items, columns: historyColumns, nameOf, none: "No history" };
      await printListing(context, listing, formatOf(flags));
    });
  withOutput(nodes.command("ledger"))
    .description("what was applied to a node, newest first")
    .argument("<NODE>")
    .action(async (name: string, flags: OutputFlags) => {
      const { items } = (await connect(context).call("getNodeLedger", { params: { name } })).value;
      const nameOf = (entry: LedgerEntry): string => entry.run;
      const listing = { items, columns: ledgerColumns, nameOf, none: "Nothing was applied" };
      await printListing(context, listing, formatOf(flags));
    });
}

function addPatches(nodes: Command, context: CliContext): void {
  nodes
    .command("label")
    .description("set labels (KEY=VALUE) or remove them (KEY-)")
    .argument("<NODE>")
    .argument("<LABEL...>", "rack=r1, disk-")
    .action(async (name: string, texts: string[]) => {
      const node = await patch(context, name, { labels: parseLabels(texts) });
      context.print(`${node.name}: ${Object.keys(node.labels).length} labels`);
    });
  nodes
    .command("role")
    .description("assign roles: add, remove, or set all of them; show them when none is given")
    .argument("<NODE>")
    .argument("[ROLE...]", "+web (or web) adds, web- removes")
    .option("--set <ROLES>", "exactly these, separated by commas ('' for none)")
    .action(async (name: string, changes: string[], flags: { set?: string }) => {
      const node = await changeRoles(context, name, changes, flags.set);
      context.print(`${node.name}: ${list(node.roles)}`);
    });
  nodes
    .command("vars")
    .description(
      "set variables of one node (KEY=VALUE) or remove them (KEY-); show when none given",
    )
    .argument("<NODE>")
    .argument("[VAR...]", "KEY=VALUE or KEY-")
    .action(async (name: string, texts: string[]) => {
      const node =
        texts.length === 0
          ? (await connect(context).call("getNode", { params: { name } })).value
          : await patch(context, name, { vars: parseChanges(texts) });
      for (const [key, value] of Object.entries(node.vars)) context.print(`${key}=${plain(value)}`);
    });
}

interface NodePatch {
  readonly labels?: Readonly<Record<string, string | null>>;
  readonly roles?: readonly string[];
  readonly vars?: JsonObject;
}

async function patch(context: CliContext, name: string, body: NodePatch): Promise<Node> {
  return (await connect(context).call("patchNode", { params: { name }, body })).value;
}

function parseLabels(texts: readonly string[]): Record<string, string | null> {
  const labels: Record<string, string | null> = {};
  for (const text of texts) {
    const equals = text.indexOf("=");
    if (equals > 0) labels[text.slice(0, equals)] = text.slice(equals + 1);
    else if (text.length > 1 && text.endsWith("-")) labels[text.slice(0, -1)] = null;
    else throw usage(`Cannot read "${text}": expected KEY=VALUE, or KEY- to remove`);
  }
  return labels;
}

export function parseChanges(texts: readonly string[]): JsonObject {
  const removed = texts.filter((text) => !text.includes("=") && text.endsWith("-"));
  const set = parseAssignments(texts.filter((text) => !removed.includes(text)));
  return { ...set, ...Object.fromEntries(removed.map((text) => [text.slice(0, -1), null])) };
}

/** Adding and removing read the node first; the write is conditional, so that no other change is lost. */
async function changeRoles(
  context: CliContext,
  name: string,
  changes: readonly string[],
  set: string | undefined,
): Promise<Node> {
  const client = connect(context);
  const params = { name };
  if (set !== undefined) {
    const roles = set.split(",").filter((role) => role !== "");
    return (await client.call("patchNode", { params, body: { roles } })).value;
  }
  const current = await client.call("getNode", { params });
  if (changes.length === 0) return current.value;
  const roles = new Set(current.value.roles);
  for (const change of changes) {
    if (change.endsWith("-")) roles.delete(change.slice(0, -1));
    else roles.add(change.replace(/^\+/, ""));
  }
  const condition = current.version === null ? {} : { ifVersion: current.version };
  return (await client.call("patchNode", { params, body: { roles: [...roles] } }, condition)).value;
}
