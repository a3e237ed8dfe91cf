/** The cluster as a whole: status, members, events, why, tokens, config repository, Raft for operators. */
import { type Command } from "commander";
import { type Member, type Raft, type Status } from "../../api/contract/cluster.ts";
import { type Event, type Reason } from "../../api/contract/events.ts";
import { systemClock } from "../../base/clock.ts";
import { isAgentError } from "../../base/errors.ts";
import { formatOf, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { printSingle, renderValue } from "../render/output.ts";
import { type Column, renderFields, renderTable } from "../render/table.ts";
import { age, list, pairs } from "../render/values.ts";
import { watchListing, withWatch } from "../watch.ts";

interface OutputFlags {
  readonly output?: string;
  readonly watch?: boolean;
}

export function addClusterCommands(program: Command, context: CliContext): void {
  withOutput(program.command("status"))
    .description("health of the cluster in one screen")
    .action(async (flags: OutputFlags) => {
      const status = (await connect(context).call("getStatus", {})).value;
      const name = status.cluster?.name ?? "-";
      await printSingle(
        context,
        { value: status, name, lines: () => statusLines(status) },
        formatOf(flags),
      );
    });
  withWatch(withOutput(program.command("members")))
    .description("agents as this agent's gossip sees them")
    .action(async (flags: OutputFlags) => {
      const client = connect(context);
      await watchListing(context, flags, async () => {
        const items = (await client.call("listMembers", {})).value;
        const nameOf = (member: Member): string => member.name;
        return { items, columns: memberColumns, nameOf, none: "No members" };
      });
    });
  addEvents(program, context);
  addWhy(program, context);
  addOperator(program, context);
}

function statusLines(status: Status): string {
  const peers = (all: Status["voters"]): string =>
    list(all.map(({ name, reachable }) => (reachable ? name : `${name} (unreachable)`)));
  return renderFields([
    ["cluster", status.cluster === null ? "not joined yet" : clusterText(status.cluster)],
    ["node", `${status.node} (agent ${status.agentVersion})`],
    ["mode", status.mode],
    ["leader", status.leader?.name ?? "none"],
    ["term", String(status.term)],
    ["index", `${status.appliedIndex} applied, ${status.commitIndex} committed`],
    ["voters", peers(status.voters)],
    ["standbys", peers(status.standbys)],
    ["nodes", `${status.nodes.total}: ${pairs(nonZero(status.nodes.byPhase))}`],
    ["reachability", pairs(nonZero(status.nodes.byReachability))],
  ]);
}

function clusterText({ id, name, generation }: NonNullable<Status["cluster"]>): string {
  return `${name} (${id}), generation ${generation}`;
}

function nonZero(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

const memberColumns: readonly Column<Member>[] = [
  { head: "NAME", cell: (member) => member.name },
  { head: "STATUS", cell: (member) => member.status },
  { head: "ADDRESS", cell: (member) => member.address },
  {
    head: "RTT",
    cell: (member) => (member.rttMs === null ? "-" : `${member.rttMs.toFixed(1)} ms`),
  },
  { head: "INCARNATION", cell: (member) => String(member.incarnation), wide: true },
  { head: "TAGS", cell: (member) => pairs(member.tags), wide: true },
  { head: "ID", cell: (member) => member.id, wide: true },
];

function addEvents(program: Command, context: CliContext): void {
  program
    .command("events")
    .description("what happened, oldest first")
    .option("-f, --follow", "go on until Ctrl-C")
    .option("--since <SINCE>", "1h, an RFC 3339 time, or a Raft index")
    .option("-o, --output <FORMAT>", "table|json (one object a line)", "table")
    .action(async (flags: { follow?: boolean; since?: string; output: string }) => {
      const query = {
        ...(flags.follow === true ? { follow: true } : {}),
        ...(flags.since === undefined ? {} : { since: flags.since }),
      };
      const signal = context.interrupted;
      try {
        for await (const event of connect(context).stream("getEvents", { query }, { signal })) {
          context.print(flags.output === "json" ? JSON.stringify(event) : eventLine(event));
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    });
}

function eventLine(event: Event): string {
  const subject = event.subject.padEnd(12);
  return `${event.time}  ${event.type.padEnd(22)} ${subject} ${event.message} (${event.by})`;
}

function addWhy(program: Command, context: CliContext): void {
  program
    .command("why")
    .description("what a node or a job waits for, who holds it, when it is tried next")
    .argument("<NODE|JOB>")
    .option("-o, --output <FORMAT>", "table|json|yaml", "table")
    .action(async (subject: string, flags: { output: string }) => {
      const client = connect(context);
      const answer = await client
        .call("whyNode", { params: { name: subject } })
        .catch((error: unknown) => {
          if (!isAgentError(error, "NOT_FOUND")) throw error;
          return client.call("whyJob", { params: { id: subject } });
        });
      const why = answer.value;
      if (flags.output === "json" || flags.output === "yaml") {
        context.print(await renderValue(why, flags.output));
        return;
      }
      context.print(why.summary);
      if (why.reasons.length > 0) context.print(renderTable(why.reasons, reasonColumns, false));
      if (why.nextTryAt !== null) context.print(`next try: ${why.nextTryAt}`);
    });
}

const reasonColumns: readonly Column<Reason>[] = [
  { head: "REASON", cell: (reason) => reason.code },
  { head: "NODE", cell: (reason) => reason.node ?? "-" },
  { head: "JOB", cell: (reason) => reason.job ?? "-" },
  { head: "FOR", cell: (reason) => age(reason.since, systemClock.wallMs()) },
  { head: "MESSAGE", cell: (reason) => reason.message },
];

function addOperator(program: Command, context: CliContext): void {
  const operator = program.command("operator").description("the Raft group, for operators");
  withOutput(operator.command("raft"))
    .description("Raft state as this agent sees it")
    .action(async (flags: OutputFlags) => {
      const raft = (await connect(context).call("getRaft", {})).value;
      const single = { value: raft, name: raft.name, lines: () => raftLines(raft) };
      await printSingle(context, single, formatOf(flags));
    });
  operator
    .command("transfer")
    .description("hand leadership to another voter")
    .argument("[NODE]", "the best candidate when left out")
    .action(async (to: string | undefined) => {
      const body = to === undefined ? {} : { to };
      const answer = await connect(context).call("transferLeadership", { body });
      context.print(`leader is ${answer.value.leader?.name ?? "not known yet"}`);
    });
}

function raftLines(raft: Raft): string {
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
  ]);
  if (raft.peers.length === 0) return fields;
  const columns: readonly Column<Raft["peers"][number]>[] = [
    { head: "PEER", cell: (peer) => peer.name ?? peer.id },
    { head: "STATE", cell: (peer) => peer.state },
    { head: "MATCH", cell: (peer) => String(peer.matchIndex) },
    { head: "NEXT", cell: (peer) => String(peer.nextIndex) },
    { head: "CAUGHT UP", cell: (peer) => String(peer.caughtUp) },
  ];
  return `${fields}\n\n${renderTable(raft.peers, columns, false)}`;
}
