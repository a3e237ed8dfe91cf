/** `muster operator`: the Raft group itself. */
import { type Command } from "commander";
import { type Raft } from "../../api/contract/cluster.ts";
import { type OutputFlags, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { printSingle } from "../render/output.ts";
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

function raftLines(raft: Raft, size: TableSize): string {
  const fields = renderFields([
    ["agent", `${raft.name} (${raft.id})`],
    ["role", raft.role],
    ["term", String(raft.term)],
    ["leader", raft.leader?.name ?? "none"],
    ["log", `${raft.firstIndex} to ${raft.lastIndex}, snapshot at ${raft.snapshotIndex}`],
    ["index", `${raft.appliedIndex} applied, ${raft.commitIndex} committed`],
    ["voters", raft.configuration.voters.map(list).join(" and ")],
    ["standbys", list(raft.configuration.standbys)],
    ["lost", list(raft.configuration.lost)],
    ["storage", raft.health],
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
