/** What the agent tells Prometheus about its subsystems; read when somebody asks. */
import { type Metrics, type Sample } from "../api/metrics.ts";
import { coordinatorStates } from "../consensus/lineage/coordinator-types.ts";
import { phases, reachabilities } from "../inventory/records.ts";
import { type InventoryStateMachine } from "../inventory/state-machine.ts";
import { type ClusterServices } from "./cluster-services.ts";
import { addGossip } from "./gossip-metrics.ts";

export interface SourcesDeps {
  readonly stateMachine: InventoryStateMachine;
  /** Null before the agent has joined. */
  readonly cluster: () => ClusterServices | null;
}

export function addSources(metrics: Metrics, deps: SourcesDeps): void {
  addInventory(metrics, deps);
  addRaft(metrics, deps);
  addGossip(metrics, deps);
  addLineage(metrics, deps);
}

function addInventory(metrics: Metrics, { stateMachine }: SourcesDeps): void {
  const { view } = stateMachine;
  const countBy = <Key extends string>(
    keys: readonly Key[],
    label: string,
    keyOf: (node: ReturnType<typeof view.nodes>[number]) => Key,
  ): readonly Sample[] =>
    keys.map((key) => ({
      labels: { [label]: key },
      value: view.nodes().filter((node) => keyOf(node) === key).length,
    }));
  metrics.gauge({
    name: "muster_inventory_nodes",
    help: "Nodes by phase",
    labels: ["phase"],
    read: () => countBy(phases, "phase", (node) => node.phase),
  });
  metrics.gauge({
    name: "muster_inventory_reachability_nodes",
    help: "Nodes by reachability",
    labels: ["reachability"],
    read: () => countBy(reachabilities, "reachability", (node) => node.reachability),
  });
  metrics.gauge({
    name: "muster_inventory_active_jobs",
    help: "Jobs that are queued, running or paused",
    read: () => view.activeJobs().length,
  });
}

function addRaft(metrics: Metrics, { cluster }: SourcesDeps): void {
  const status = () => cluster()?.consensus.status() ?? null;
  const gauges: readonly (readonly [string, string, () => number])[] = [
    ["term", "Current term", () => status()?.term ?? 0],
    ["commit_index", "Highest committed index known here", () => status()?.commit ?? 0],
    ["applied_index", "Highest index applied here", () => status()?.applied ?? 0],
    ["is_leader", "1 on the leader", () => (status()?.role === "leader" ? 1 : 0)],
    ["is_observer", "1 while it lives on neighbours", () => (status()?.relayed === true ? 1 : 0)],
    ["has_leader", "1 when a leader is known", () => ((status()?.leader ?? null) === null ? 0 : 1)],
    ["leader_contact_seconds", "Time since the leader was heard", contactSeconds],
    ["log_salvaged", "1 when the log was damaged and started over at this start", salvaged],
    ["log_trusted", "0 while the log lacks what this agent had acknowledged", trusted],
    ["pending_proposals", "Proposals under way", () => measured()?.pendingProposals ?? 0],
  ];
  function salvaged(): number {
    return (status()?.log.salvaged ?? null) === null ? 0 : 1;
  }
  function trusted(): number {
    return status()?.log.trusted === false ? 0 : 1;
  }
  function contactSeconds(): number {
    return (status()?.leaderContactMs ?? 0) / 1000;
  }
  const measured = () => cluster()?.consensus.metrics ?? null;
  for (const [name, help, read] of gauges)
    metrics.gauge({ name: `muster_raft_${name}`, help, read });
  const counters: readonly (readonly [string, string, () => number])[] = [
    ["proposals", "Proposals taken on this agent as leader", () => measured()?.proposals ?? 0],
    ["applied_entries", "Entries applied", () => measured()?.applied ?? 0],
    ["elections", "Elections this agent began", () => measured()?.elections ?? 0],
    ["log_writes", "Writes to the log, each with its fsync", () => measured()?.writes ?? 0],
    [
      "disk_stalls",
      "Times a write took longer than an election",
      () => measured()?.diskStalls ?? 0,
    ],
    ["snapshots_taken", "Snapshots taken", () => measured()?.snapshotsTaken ?? 0],
    ["relay_pulls", "Times this agent asked a neighbour", () => measured()?.relayPulls ?? 0],
    ["relay_served", "Times a neighbour asked this agent", () => measured()?.relayServed ?? 0],
    ["relayed_entries", "Entries taken from neighbours", () => measured()?.relayedIn ?? 0],
    [
      "relay_mismatches",
      "Times a neighbour contradicted this agent's log",
      () => measured()?.relayMismatches ?? 0,
    ],
  ];
  for (const [name, help, read] of counters) {
    metrics.counter({ name: `muster_raft_${name}_total`, help, read });
  }
}

/** Alert on provisional = 1, and on any state but normal that stays. */
function addLineage(metrics: Metrics, { cluster }: SourcesDeps): void {
  const current = () => cluster()?.consensus.generation() ?? null;
  metrics.gauge({
    name: "muster_lineage_generation",
    help: "Depth of the generation this agent is in; 1 until a quorum was forced",
    read: () => current()?.n ?? 0,
  });
  metrics.gauge({
    name: "muster_lineage_provisional",
    help: "1 while members that were left behind may hold another history",
    read: () => (cluster()?.lineage.isProvisional() === true ? 1 : 0),
  });
  metrics.gauge({
    name: "muster_lineage_missing_at_most",
    help: "Entries that may be missing since the generation was forced; -1 when not known",
    read: () => current()?.missingAtMost ?? (current() === null ? 0 : -1),
  });
  metrics.gauge({
    name: "muster_lineage_state",
    help: "1 for what the agent does about its generation now",
    labels: ["state"],
    read: () => {
      const now = cluster()?.lineage.status().state ?? null;
      return coordinatorStates.map((state) => ({
        labels: { state },
        value: state === now ? 1 : 0,
      }));
    },
  });
}
