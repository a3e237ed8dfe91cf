/** Status, members and Raft state as the API shows them; names are looked up in the inventory, then in gossip. */
import { rfc3339 } from "../../base/clock.ts";
import { asPeerId } from "../../base/ids.ts";
import { type ConsensusStatus, votersOf } from "../../consensus/driver/api.ts";
import { phases, reachabilities } from "../../inventory/records.ts";
import { type InventoryView } from "../../inventory/view.ts";
import { type ApiContext, type LineageOutlook } from "../context.ts";
import { type Member, type Raft, type Status } from "../contract/cluster.ts";
import { toLineage } from "./lineage.ts";
import { membershipDoubt } from "./doubt.ts";

type Peer = { readonly id: string; readonly name: string };

export function toStatus(context: ApiContext): Status {
  const { view } = context;
  const consensus = context.consensus();
  const identity = context.identity();
  const cluster = view.cluster();
  const alive = new Set<string>([identity.id]);
  for (const { id, status } of context.members()) if (status === "alive") alive.add(id);
  const voting = (id: string) => ({ ...toPeer(context, id), reachable: alive.has(id) });
  return {
    cluster:
      cluster === null ? null : { id: cluster.id, name: cluster.name, ...generationOf(context) },
    node: identity.name,
    agentVersion: identity.version,
    mode: context.mode(),
    leader: leaderOf(context, consensus),
    term: consensus?.term ?? 0,
    commitIndex: consensus?.commit ?? 0,
    appliedIndex: view.appliedIndex,
    voters: consensus === null ? [] : votersOf(consensus.effective).map(voting).toSorted(byName),
    standbys: consensus === null ? [] : consensus.effective.standbys.map(voting).toSorted(byName),
    nodes: countNodes(view),
    membership: { uncertain: uncertaintyOf(view), removal: removalOf(context) },
    outlook: outlookOf(context)?.why ?? null,
    log: consensus?.log ?? { salvaged: null, trusted: true },
  };
}

/** Why it does not go on without a quorum, with the names of those it speaks of. */
export function outlookOf(context: ApiContext): LineageOutlook | null {
  const outlook = context.lineage()?.outlook() ?? null;
  if (outlook === null) return null;
  const ids = [...context.view.members(), ...context.members()].map(({ id }) => id);
  const why = [...new Set<string>(ids)].reduce(
    (text, id) => text.replaceAll(id, peerName(context, id) ?? id),
    outlook.why,
  );
  return { ...outlook, why };
}

function byName(a: Peer, b: Peer): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function uncertaintyOf(view: InventoryView): Status["membership"]["uncertain"] {
  const doubt = membershipDoubt(view);
  if (doubt === null) return null;
  const { reason, message, since } = doubt.condition;
  return { node: doubt.node, reason, message, since: rfc3339(since) };
}

function removalOf(context: ApiContext): NonNullable<Status["membership"]["removal"]> | null {
  const removal = context.removal();
  if (removal === null) return null;
  const { claims, needed } = removal;
  const by = claims.map((claim) => toPeer(context, claim.by).name).toSorted();
  return { by, index: Math.max(...claims.map(({ index }) => index)), needed };
}

function generationOf(context: ApiContext) {
  const lineage = context.lineage();
  const pending = context.view.journal().filter(({ resolution }) => resolution === "pending");
  return {
    generation: context.generation(),
    generationId: lineage?.generations().at(-1)?.id ?? null,
    provisional: lineage?.isProvisional() ?? false,
    missing: missingFrom(context),
    conflicts: pending.length,
  };
}

/** Whom a provisional generation waits for: gossip knows who is back before they have caught up. */
function missingFrom(context: ApiContext): Peer[] {
  const lineage = context.lineage();
  if (lineage?.isProvisional() !== true) return [];
  const up = new Set<string>(
    context.members().flatMap(({ id, status }) => (status === "alive" ? [id] : [])),
  );
  return lineage
    .leftBehind()
    .filter((id) => !up.has(id))
    .map((id) => toPeer(context, id))
    .toSorted(byName);
}

function countNodes(view: InventoryView): Status["nodes"] {
  const byPhase: Record<string, number> = Object.fromEntries(phases.map((phase) => [phase, 0]));
  const byReachability: Record<string, number> = Object.fromEntries(
    reachabilities.map((reachability) => [reachability, 0]),
  );
  const nodes = view.nodes();
  for (const { phase, reachability } of nodes) {
    byPhase[phase] = (byPhase[phase] ?? 0) + 1;
    byReachability[reachability] = (byReachability[reachability] ?? 0) + 1;
  }
  return { total: nodes.length, byPhase, byReachability };
}

export function leaderOf(context: ApiContext, consensus: ConsensusStatus | null): Peer | null {
  const leader = consensus?.leader ?? null;
  return leader === null ? null : toPeer(context, leader);
}

function toPeer(context: ApiContext, id: string): Peer {
  return { id, name: peerName(context, id) ?? "" };
}

function peerName(context: ApiContext, id: string): string | null {
  const { view } = context;
  const known = view.nodeById(asPeerId(id))?.name ?? view.member(asPeerId(id))?.node;
  return known ?? context.members().find((member) => member.id === id)?.name ?? null;
}

/** The agent's own view; times are those of its clock. */
export function toMembers({
  members,
  identity,
  gossipHealth,
  clock,
}: Pick<ApiContext, "members" | "identity" | "gossipHealth" | "clock">): Member[] {
  const originMs = clock.wallMs() - clock.monotonicMs();
  const self = identity().id;
  return members().map(({ since, ...member }) => ({
    ...member,
    since: rfc3339(Math.round((originMs + since) / 1000) * 1000),
    healthScore: member.id === self ? (gossipHealth()?.score ?? null) : null,
  }));
}

export function toRaft(
  context: ApiContext,
  status: ConsensusStatus,
  stateHash: Raft["stateHash"],
): Raft {
  const { id, name } = context.identity();
  const { index, sets, standbys, observers, lost } = status.effective;
  const ids = [...sets.flat(), ...standbys, ...observers, ...lost];
  const names = Object.fromEntries(ids.map((one) => [one, peerName(context, one) ?? one]));
  return {
    id,
    name,
    role: status.role,
    term: status.term,
    leader: leaderOf(context, status),
    leaderContactMs: status.leaderContactMs === null ? null : Math.round(status.leaderContactMs),
    quorumLost: status.quorumLost,
    health: status.health,
    lineage: toLineage(context),
    firstIndex: status.first,
    lastIndex: status.last,
    commitIndex: status.commit,
    appliedIndex: status.applied,
    snapshotIndex: status.snapshotIndex,
    stateHash,
    configuration: { index, voters: sets, standbys, observers, lost, names },
    peers: [...status.peers].map(([peer, progress]) => ({
      id: peer,
      name: peerName(context, peer),
      state: progress.state,
      matchIndex: progress.match,
      nextIndex: progress.next,
      inflight: progress.inflight,
      caughtUp: progress.caughtUp,
    })),
  };
}
