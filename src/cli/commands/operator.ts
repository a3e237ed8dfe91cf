/** `muster operator`: the Raft group itself. */
import { type Command } from "commander";
import { type Raft } from "../../api/contract/cluster.ts";
import { type OutputFlags, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { printSingle } from "../render/output.ts";
import { addConflictCommands } from "./conflicts.ts";
import { addRecoverCommand } from "./recover.ts";
import { type Column, renderFields, renderTable, type TableSize } from "../render/table.ts";
import { list } from "../render/values.ts";
import { addKeyCommands } from "./keys.ts";
import { type WatchFlags, watchSingle, withWatch } from "../watch.ts";

export function addOperatorCommands(program: Command, context: CliContext): void {
  const operator = program
    .command("operator")
    .description("the Raft group and the keys of gossip, for operators");
  withWatch(withOutput(operator.command("raft")))
    .description("Raft state as this agent sees it")
    .option("--state-hash", "also hash the whole state: equal on all agents at one index")
    .action(async (flags: WatchFlags & { readonly stateHash?: true }) => {
      const query = { stateHash: flags.stateHash === true };
      const client = connect(context);
      await watchSingle(context, flags, async () => {
        const raft = (await client.call("getRaft", { query })).value;
        return { value: raft, name: raft.name, lines: (size) => raftLines(raft, size) };
      });
    });
  addRecoverCommand(operator, context);
  addConflictCommands(operator, context);
  withOutput(operator.command("transfer"))
    .description("hand leadership to another voter")
    .argument("[NODE]", "the best candidate when left out")
    .action(async (to: string | undefined, { output }: OutputFlags) => {
      const body = to === undefined ? {} : { to };
      const { value } = await connect(context).call("transferLeadership", { body });
      const name = value.leader?.name ?? "-";
      const lines = (): string => `leader is ${value.leader?.name ?? "not known yet"}`;
      await printSingle(context, { value, name, lines }, output);
    });
  addKeyCommands(operator, context);
}

function stateHashField({ stateHash }: Raft): readonly (readonly [string, string])[] {
  if (stateHash === null) return [];
  return [["state", `${stateHash.sha256} at index ${stateHash.index}`]];
}

/** The tree of generations, newest first, and what was merged from others. */
function lineageFields({ lineage }: Raft): (readonly [string, string])[] {
  const { generations, merges, provisional } = lineage;
  const lines = generations.toReversed().map(({ n, id, kind, forkIndex, lost }, i) => {
    const mark = i === 0 && provisional ? ", provisional" : "";
    const without =
      lost.length === 0 ? "" : ` without ${list(lost.map((peer) => peer.name ?? peer.id))}`;
    const fork = kind === "bootstrap" ? "" : ` from index ${forkIndex}`;
    return `${n} ${id.slice(0, 8)} ${kind}${mark}${fork}${without}`;
  });
  const merged = merges.map(({ n, generation, doneAt, applied, added, pending }) => {
    const state =
      doneAt === null ? "under way" : `${applied} applied, ${added} added, ${pending} open`;
    return `${n} ${generation.slice(0, 8)} ${state}`;
  });
  return [
    ["generation", lines.join("\n") || "-"],
    ...(merged.length === 0 ? [] : [["merged", merged.join("\n")] as const]),
  ];
}

function raftLines(raft: Raft, size: TableSize): string {
  const { voters, standbys, lost, names } = raft.configuration;
  const named = (ids: readonly string[]): string =>
    list(
      ids.map((id) => (size.wide ? `${names[id] ?? "?"} (${id})` : (names[id] ?? id))).toSorted(),
    );
  const fields = renderFields([
    ["agent", `${raft.name} (${raft.id})`],
    ["role", raft.role],
    ["term", String(raft.term)],
    ["leader", raft.leader?.name ?? "none"],
    ["log", `${raft.firstIndex} to ${raft.lastIndex}, snapshot at ${raft.snapshotIndex}`],
    ["index", `${raft.appliedIndex} applied, ${raft.commitIndex} committed`],
    ["voters", voters.map(named).join(" and ")],
    ["standbys", named(standbys)],
    ["lost", named(lost)],
    ["storage", raft.health],
    ...lineageFields(raft),
    ...stateHashField(raft),
  ]);
  if (raft.peers.length === 0) return fields;
  const columns: readonly Column<Raft["peers"][number]>[] = [
    { head: "PEER", cell: (peer) => peer.name ?? peer.id },
    { head: "STATE", cell: (peer) => peer.state },
    { head: "MATCH", cell: (peer) => String(peer.matchIndex) },
    { head: "NEXT", cell: (peer) => String(peer.nextIndex) },
    { head: "CAUGHT UP", cell: (peer) => String(peer.caughtUp) },
  ];
  return `${fields}\n\n${renderTable(raft.peers, columns, size)}`;
}
