/**
 * Gossip for Prometheus: how this agent judges itself and others, what went over each lane, what was dropped and why.
 */
import { type Metrics, type Sample } from "../api/metrics.ts";
import { membershipDoubt } from "../api/views/doubt.ts";
import { type CounterName } from "../gossip/core/counters.ts";
import { type GossipStats, type LaneName, laneNames, type LaneStats } from "../gossip/ports.ts";
import { type SourcesDeps } from "./metric-sources.ts";

const statuses = ["alive", "suspect", "failed", "left"] as const;

/** Counters of gossip that are one metric, by the value of its label. */
interface Family {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly values: Readonly<Record<string, CounterName>>;
}

const plain: readonly (readonly [string, string, CounterName])[] = [
  ["probes_started", "Direct probes begun", "probesSent"],
  ["probes_other_lane", "Probes that only the second lane answered", "probesOtherLane"],
  ["suspicions", "Members that became suspect here", "suspicions"],
  ["failures", "Members that were called failed here", "failures"],
  ["false_suspicions", "Suspect members that turned out alive", "falseSuspicions"],
  ["false_failures", "Failed members that turned out alive in the same life", "falseFailures"],
  ["refutations", "Accusations against this agent that it denied", "refutations"],
];

const families: readonly Family[] = [
  {
    name: "probes",
    help: "Direct probes that ended",
    label: "result",
    values: { acked: "probesAcked", failed: "probesFailed" },
  },
  {
    name: "indirect_probes",
    help: "Requests to probe somebody: asked of others, served for others",
    label: "role",
    values: { asked: "indirectAsked", served: "indirectServed" },
  },
  {
    name: "syncs",
    help: "Exchanges of views (anti-entropy) by result",
    label: "result",
    values: {
      same: "syncsSame",
      differed: "syncsDiffered",
      failed: "syncsFailed",
      busy: "syncsBusy",
    },
  },
  {
    name: "user_events",
    help: "User events: sent, delivered, and those that were not passed on",
    label: "result",
    values: {
      sent: "eventsSent",
      delivered: "eventsDelivered",
      repeated: "eventsRepeated",
      old: "eventsOld",
      refused: "eventsRefused",
    },
  },
  {
    name: "refused",
    help: "Claims of other members that were not believed, by reason",
    label: "reason",
    values: {
      accusation_ahead: "accusationsAhead",
      bad_signature: "badSignature",
      incompatible: "incompatible",
      members_full: "membersFull",
      not_admitted: "notAdmitted",
      misdirected: "misdirected",
      tombstoned: "tombstoned",
      conflict: "conflicts",
    },
  },
  {
    name: "overload",
    help: "Rumours and frames dropped because too much waited, by reason",
    label: "reason",
    values: {
      queue_trimmed: "queueTrimmed",
      inbound_overload: "inboundOverload",
      inbound_flood: "inboundFlood",
      inbound_malformed: "inboundMalformed",
    },
  },
];

export function addGossip(metrics: Metrics, { cluster, stateMachine }: SourcesDeps): void {
  const stats = (): GossipStats | null => cluster()?.gossip.stats() ?? null;
  metrics.gauge({
    name: "muster_gossip_members",
    help: "Members by status as this agent sees them",
    labels: ["status"],
    read: () => {
      const members = cluster()?.gossip.members() ?? [];
      return statuses.map((status) => ({
        labels: { status },
        value: members.filter((member) => member.status === status).length,
      }));
    },
  });
  metrics.gauge({
    name: "muster_membership_uncertain",
    help: "1 while the leader holds losses back because it doubts its own view",
    read: () => (membershipDoubt(stateMachine.view) === null ? 0 : 1),
  });
  metrics.gauge({
    name: "muster_gossip_datagrams_unanswered_members",
    help: "Members that answer over streams, and did not answer spare datagrams when last asked",
    read: () => {
      const members = cluster()?.gossip.members() ?? [];
      return members.filter((one) => one.status === "alive" && one.datagramsPass === false).length;
    },
  });
  addGauges(metrics, stats, () => cluster()?.gossip.neighbours().length ?? 0);
  addCounters(metrics, stats);
  addLanes(metrics, stats);
}

type ReadStats = () => GossipStats | null;

function addGauges(metrics: Metrics, stats: ReadStats, neighbours: () => number): void {
  const gauges: readonly (readonly [string, string, () => number])[] = [
    ["health_score", "Lifeguard's local health: 0 is well", () => stats()?.health.score ?? 0],
    ["degraded", "1 while this agent asks not to be a relay", () => flag(stats()?.health.degraded)],
    ["queued_rumours", "Rumours waiting to be passed on", () => stats()?.health.queue ?? 0],
    ["neighbours", "Members this agent probes and is probed by", neighbours],
    ["view_agrees", "1 when the last peer asked had the same view", () => flag(agrees(stats()))],
    ["view_seconds", "Since when views agree, or differ", () => seconds(stats(), "forMs")],
    [
      "last_convergence_seconds",
      "How long the last disagreement of views lasted",
      () => seconds(stats(), "lastTookMs"),
    ],
  ];
  for (const [name, help, read] of gauges) {
    metrics.gauge({ name: `muster_gossip_${name}`, help, read });
  }
}

function addCounters(metrics: Metrics, stats: ReadStats): void {
  const count = (name: CounterName): number => stats()?.counters[name] ?? 0;
  for (const [name, help, counter] of plain) {
    metrics.counter({ name: `muster_gossip_${name}_total`, help, read: () => count(counter) });
  }
  for (const { name, help, label, values } of families) {
    metrics.counter({
      name: `muster_gossip_${name}_total`,
      help,
      labels: [label],
      read: () =>
        Object.entries(values).map(([value, counter]) => ({
          labels: { [label]: value },
          value: count(counter),
        })),
    });
  }
}

function addLanes(metrics: Metrics, stats: ReadStats): void {
  const perLane = (read: (lane: LaneName, of: LaneStats) => readonly Sample[]) => () => {
    const lanes = stats()?.lanes;
    return lanes === undefined ? [] : laneNames.flatMap((lane) => read(lane, lanes[lane]));
  };
  metrics.gauge({
    name: "muster_gossip_lane_active",
    help: "1 for each lane that this agent has",
    labels: ["lane"],
    read: perLane((lane, { active }) => [{ labels: { lane }, value: flag(active) }]),
  });
  metrics.counter({
    name: "muster_gossip_frames_total",
    help: "Gossip frames by lane and direction",
    labels: ["lane", "direction"],
    read: perLane((lane, { framesIn, framesOut }) => [
      { labels: { lane, direction: "in" }, value: framesIn },
      { labels: { lane, direction: "out" }, value: framesOut },
    ]),
  });
  metrics.counter({
    name: "muster_gossip_bytes_total",
    help: "Bytes of gossip frames, envelopes included, by lane and direction",
    labels: ["lane", "direction"],
    read: perLane((lane, { bytesIn, bytesOut }) => [
      { labels: { lane, direction: "in" }, value: bytesIn },
      { labels: { lane, direction: "out" }, value: bytesOut },
    ]),
  });
  metrics.counter({
    name: "muster_gossip_dropped_frames_total",
    help: "Frames dropped by lane and reason",
    labels: ["lane", "reason"],
    read: perLane((lane, { dropped }) =>
      Object.entries(dropped).map(([reason, value]) => ({
        labels: { lane, reason: snakeCase(reason) },
        value,
      })),
    ),
  });
}

function agrees(stats: GossipStats | null): boolean {
  return stats?.convergence.agrees === true;
}

function flag(value: boolean | undefined): number {
  return value === true ? 1 : 0;
}

function seconds(stats: GossipStats | null, key: "forMs" | "lastTookMs"): number {
  return (stats?.convergence[key] ?? 0) / 1000;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
