/** The cluster as a whole: status, members, why. */
import { type Command } from "commander";
import { type ApiClient } from "../../api/client.ts";
import { type Member, type Status } from "../../api/contract/cluster.ts";
import { type Reason, type WhyJob, type WhyNode } from "../../api/contract/events.ts";
import { systemClock } from "../../base/clock.ts";
import { AgentError, isAgentError } from "../../base/errors.ts";
import { withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { type Column, renderFields, renderTable, type TableSize } from "../render/table.ts";
import { age, list, pairs } from "../render/values.ts";
import { type WatchFlags, watchListing, watchSingle, withWatch } from "../watch.ts";

export function addClusterCommands(program: Command, context: CliContext): void {
  withWatch(withOutput(program.command("status")))
    .description("health of the cluster in one screen")
    .action(async (flags: WatchFlags) => {
      const client = connect(context);
      await watchSingle(context, flags, async () => {
        const status = (await client.call("getStatus", {})).value;
        const name = status.cluster?.name ?? "-";
        return { value: status, name, lines: () => statusLines(status) };
      });
    });
  withWatch(withOutput(program.command("members")))
    .description("agents as this agent's gossip sees them, or that of another node")
    .option("--of <NODE>", "ask the agent of this node instead: views differ when links fail")
    .action(async ({ of, ...flags }: WatchFlags & { readonly of?: string }) => {
      const client = connect(context);
      const query = of === undefined ? {} : { of };
      await watchListing(context, flags, async () => {
        const items = (await client.call("listMembers", { query })).value;
        const nameOf = (member: Member): string => member.name;
        return { items, columns: memberColumns, nameOf, none: "No members" };
      });
    });
  addWhy(program, context);
}

function statusLines(status: Status): string {
  const peers = (all: Status["voters"]): string =>
    list(all.map(({ name, reachable }) => (reachable ? name : `${name} (unreachable)`)));
  return renderFields([
    ["cluster", status.cluster === null ? "not joined yet" : clusterText(status.cluster)],
    ["node", `${status.node} (agent ${status.agentVersion})`],
    ["mode", modeText(status)],
    ...outlookLine(status),
    ["leader", status.leader?.name ?? "none"],
    ["term", String(status.term)],
    ["index", `${status.appliedIndex} applied, ${status.commitIndex} committed`],
    ["voters", peers(status.voters)],
    ["standbys", peers(status.standbys)],
    ["nodes", `${status.nodes.total}: ${pairs(nonZero(status.nodes.byPhase))}`],
    ["reachability", pairs(nonZero(status.nodes.byReachability))],
    ...logLine(status),
    ...uncertainLine(status),
    ...removalLine(status),
  ]);
}

function outlookLine({ mode, outlook = null }: Status): [string, string][] {
  return mode === "read-only" && outlook !== null ? [["outlook", outlook]] : [];
}

function logLine({ log }: Status): [string, string][] {
  if (log === undefined) return [];
  if (log.salvaged === null) {
    return log.trusted ? [] : [["log", "catches up; this agent does not vote before"]];
  }
  const now = log.trusted
    ? "it is whole again"
    : "it votes again when the others have given it what is missing";
  return [["log", `was damaged (${log.salvaged}) and started over; ${now}; look at the disk`]];
}

function uncertainLine({ membership }: Status): [string, string][] {
  const doubt = membership.uncertain;
  if (doubt === null) return [];
  const text = `losses are not reported since ${doubt.since}: ${doubt.message} (${doubt.node})`;
  return [["uncertain", text]];
}

function removalLine({ membership }: Status): [string, string][] {
  const { removal } = membership;
  if (removal === null || removal === undefined) return []; // an earlier agent says nothing of it
  const { by, index, needed } = removal;
  const text = `${list(by)} ${by.length === 1 ? "says" : "say"} that this node was removed (entry ${index}); it does nothing by itself until ${needed} say so or that is gainsaid. If it is true, stop it, empty its data directory, and join again with a token`;
  return [["removed?", text]];
}

function modeText({ cluster, mode }: Status): string {
  if (cluster === null) return mode;
  if (mode === "survivor") {
    if (cluster.missing.length === 0)
      return "survivor: all are back or forgotten; it settles when they have followed";
    const names = cluster.missing.map(({ name }) => name);
    const which = names.length === 1 ? names.join() : "NODE";
    return `survivor: goes on without ${list(names)}; start them, or: muster nodes forget ${which} --force`;
  }
  if (mode !== "read-only") return mode;
  return "read-only: without a leader and most of its voters, writes are refused; way out: muster operator recover --plan";
}

function clusterText(cluster: NonNullable<Status["cluster"]>): string {
  const { id, name, generation, provisional, conflicts } = cluster;
  const open =
    conflicts === 0
      ? ""
      : `; ${conflicts} ${conflicts === 1 ? "conflict" : "conflicts"}: muster operator conflicts`;
  return `${name} (${id}), generation ${generation}${provisional ? " (provisional)" : ""}${open}`;
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
  { head: "SINCE", cell: (member) => age(member.since, systemClock.wallMs()), wide: true },
  { head: "INCARNATION", cell: (member) => String(member.incarnation), wide: true },
  { head: "LANE", cell: (member) => member.lane ?? "-", wide: true },
  { head: "UDP", cell: datagramText, wide: true },
  { head: "HEALTH", cell: healthText, wide: true },
  { head: "TAGS", cell: (member) => pairs(member.tags), wide: true },
  { head: "ID", cell: (member) => member.id, wide: true },
];

/** Whether spare datagrams pass between the asked agent and this one. */
function datagramText({ datagrams, datagramsPass }: Member): string {
  if (!datagrams) return "off";
  if (datagramsPass === null || datagramsPass === undefined) return "-";
  return datagramsPass ? "passes" : "blocked?";
}

/** The score of the agent that was asked; of others only whether they call themselves slow. */
function healthText({ healthScore, degraded }: Member): string {
  const word = degraded ? "degraded" : "ok";
  return healthScore === null ? word : `${word} (${healthScore})`;
}

function addWhy(program: Command, context: CliContext): void {
  withWatch(withOutput(program.command("why")))
    .description("what a node or a job waits for, who holds it, when it is tried next")
    .argument("<NODE|JOB>", "name of a node; or a job: id, unique prefix, active or last")
    .action(async (subject: string, flags: WatchFlags) => {
      const client = connect(context);
      await watchSingle(context, flags, async () => {
        const why = await askWhy(client, subject);
        return { value: why, name: subject, lines: (size) => whyLines(why, size) };
      });
    });
}

async function askWhy(client: ApiClient, subject: string): Promise<WhyNode | WhyJob> {
  try {
    return (await client.call("whyNode", { params: { name: subject } })).value;
  } catch (error) {
    if (!isAgentError(error, "NOT_FOUND")) throw error;
  }
  try {
    return (await client.call("whyJob", { params: { id: subject } })).value;
  } catch (error) {
    if (!isAgentError(error, "NOT_FOUND")) throw error;
    throw new AgentError("NOT_FOUND", `There is neither a node nor a job "${subject}"`);
  }
}

function whyLines(why: WhyNode | WhyJob, size: TableSize): string {
  const lines = [why.summary];
  if (why.reasons.length > 0) lines.push(renderTable(why.reasons, reasonColumns, size));
  if (why.nextTryAt !== null) lines.push(`next try: ${why.nextTryAt}`);
  return lines.join("\n");
}

const reasonColumns: readonly Column<Reason>[] = [
  { head: "REASON", cell: (reason) => reason.code },
  { head: "NODE", cell: (reason) => reason.node ?? "-" },
  { head: "JOB", cell: (reason) => reason.job ?? "-" },
  { head: "FOR", cell: (reason) => age(reason.since, systemClock.wallMs()) },
  { head: "MESSAGE", cell: (reason) => reason.message, shrinks: true },
];
