/** `muster nodes`: list and show, what happened to one, forget one. */
import { type Command } from "commander";
import { type HistoryEntry, type LedgerEntry, type Node } from "../../api/contract/nodes.ts";
import { withLimit, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { readPages } from "../pages.ts";
import { type Column } from "../render/table.ts";
import { plain, short } from "../render/values.ts";
import { usage } from "../usage.ts";
import { type WatchFlags, watchListing, watchSingle, withWatch } from "../watch.ts";
import { addNodePatches } from "./node-patches.ts";
import { nodeColumns, nodeLines } from "./node-text.ts";

export function addNodeCommands(program: Command, context: CliContext): void {
  const nodes = program.command("nodes").description("machines that the cluster knows");
  withWatch(withOutput(nodes.command("list", { isDefault: true })))
    .description("all nodes, or those that match")
    .option("-l, --selector <SELECTOR>", "rack=r1,role=web,phase=commissioned")
    .action((flags: ListFlags) => listNodes(context, flags));
  withWatch(withOutput(nodes.command("show")))
    .description("one node with facts, conditions and history")
    .argument("<NODE>")
    .action(async (name: string, flags: WatchFlags) => {
      const client = connect(context);
      await watchSingle(context, flags, async () => {
        const node = (await client.call("getNode", { params: { name } })).value;
        return { value: node, name: node.name, lines: (size) => nodeLines(node, size) };
      });
    });
  addPast(nodes, context);
  addNodePatches(nodes, context);
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

interface ListFlags extends WatchFlags {
  readonly selector?: string;
}

async function listNodes(context: CliContext, flags: ListFlags): Promise<void> {
  const { selector } = flags;
  if (selector?.trim() === "") {
    throw usage("Cannot use an empty selector; leave -l out to list every node");
  }
  const client = connect(context);
  const filter = selector === undefined ? {} : { selector };
  const none = selector === undefined ? "No nodes" : `No node matches ${selector}`;
  await watchListing(context, flags, async () => {
    const items = await readPages(
      Number.POSITIVE_INFINITY,
      async (page) => (await client.call("listNodes", { query: { ...filter, ...page } })).value,
    );
    return { items, columns: nodeColumns, nameOf: (node: Node) => node.name, none };
  });
}

const historyColumns: readonly Column<HistoryEntry>[] = [
  { head: "TIME", cell: (entry) => entry.at },
  { head: "WHAT", cell: (entry) => entry.kind },
  { head: "FROM", cell: (entry) => entry.from ?? "-" },
  { head: "TO", cell: (entry) => entry.to },
  { head: "BY", cell: (entry) => entry.by },
  { head: "REASON", cell: (entry) => entry.reason, shrinks: true },
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

interface PastFlags extends WatchFlags {
  readonly limit: number;
}

function addPast(nodes: Command, context: CliContext): void {
  withLimit(withWatch(withOutput(nodes.command("history"))), 100)
    .description("changes of phase, reachability, roles and labels, newest first")
    .argument("<NODE>")
    .action(async (name: string, flags: PastFlags) => {
      const client = connect(context);
      const load = async (query: object) =>
        (await client.call("getNodeHistory", { params: { name }, query })).value;
      await watchListing<HistoryEntry>(context, flags, async () => {
        const items = await readPages(flags.limit, load);
        return { items, columns: historyColumns, nameOf: ({ to }) => to, none: "No history" };
      });
    });
  withLimit(withWatch(withOutput(nodes.command("ledger"))), 100)
    .description("what was applied to a node, newest first")
    .argument("<NODE>")
    .action(async (name: string, flags: PastFlags) => {
      const client = connect(context);
      const load = async (query: object) =>
        (await client.call("getNodeLedger", { params: { name }, query })).value;
      await watchListing<LedgerEntry>(context, flags, async () => {
        const items = await readPages(flags.limit, load);
        const none = `Nothing was applied to ${name}`;
        return { items, columns: ledgerColumns, nameOf: ({ run }) => run, none };
      });
    });
}
