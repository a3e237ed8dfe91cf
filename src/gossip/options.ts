/**
 * Numbers of the protocol, with presets. The defaults are memberlist's LAN ones where both have the number;
 * what is new here (digests, rings, refused connections) says why. All `…Ms` are milliseconds.
 */
import { gossipError } from "./errors.ts";

export interface GossipOptions {
  /** One direct probe per interval; also the budget in which a probe must succeed, indirect tries included. */
  readonly probeIntervalMs: number;
  /** How long a direct probe waits before others are asked to try. Above the 99th percentile of the RTT. */
  readonly probeTimeoutMs: number;
  /**
   * The first round is so long after the start. Who just began has no stream to anybody yet and is busy starting: what
   * it does not hear in that time says little of others, whom more members probe, and who all would have to deny it.
   */
  readonly probeAfterMs: number;
  /** How many others are asked to probe a silent member. */
  readonly indirectProbes: number;
  /** A rumour is sent at most `retransmitMult · ⌈log10(N + 1)⌉` times by each member. */
  readonly retransmitMult: number;
  /** α of Lifeguard: shortest suspicion = α · max(1, log10 N) · probe interval. */
  readonly suspicionMult: number;
  /** β of Lifeguard: longest suspicion = β · shortest. */
  readonly suspicionMaxMult: number;
  /** K of Lifeguard: independent suspicions that shorten the timer to its minimum. */
  readonly confirmations: number;
  /** The local health score stays below this. */
  readonly awarenessMax: number;
  readonly gossipIntervalMs: number;
  readonly gossipFanout: number;
  /** Failed members stay gossip targets this long, so that one wrongly accused hears it and refutes. */
  readonly gossipToFailedMs: number;
  /** Period of anti-entropy while views differ, and the longest one when they agree (scaled by N). */
  readonly syncMinMs: number;
  readonly syncMaxMs: number;
  readonly syncTimeoutMs: number;
  /** Where datagrams are spare, one neighbour is asked so often whether they pass. */
  readonly laneCheckMs: number;
  /** Failed and left members are forgotten after this time. The inventory keeps its own record. */
  readonly reapFailedMs: number;
  readonly reapLeftMs: number;
  /** Each agent tries one failed member per interval, with the probability failed / up (serf: 30 s). */
  readonly reconnectIntervalMs: number;
  /** Rings of the expander overlay (Rapid §4.1): each gives one subject and one observer. */
  readonly rings: number;
  /** Up to this many members everybody is everybody's neighbour. */
  readonly fullMeshUpTo: number;
  /** `ring`: probe and gossip only over the overlay. `uniform`: over all members, as in the papers. */
  readonly selector: "ring" | "uniform";
  /** A closed connection whose re-dial is refused, seen by two observers, fails the member after this. */
  readonly refusedFailMs: number;
  /** Largest frame that this agent makes. What others make may have `frameBytesMax`. */
  readonly frameBytes: number;
  /** Members and hints that one agent keeps at most. */
  readonly membersMax: number;
  /** Switches for replication of the papers; production has all on. */
  readonly lifeguard: {
    readonly probe: boolean;
    readonly suspicion: boolean;
    readonly buddy: boolean;
  };
}

const day = 86_400_000;

/** Largest frame that any agent makes. One with a second lane makes smaller ones, and hears those without. */
export const frameBytesMax = 1350;

export const lanOptions: GossipOptions = {
  probeIntervalMs: 1000,
  probeTimeoutMs: 500,
  probeAfterMs: 4000,
  indirectProbes: 3,
  retransmitMult: 4,
  suspicionMult: 4,
  suspicionMaxMult: 6,
  confirmations: 2,
  awarenessMax: 8,
  gossipIntervalMs: 200,
  gossipFanout: 3,
  gossipToFailedMs: 30_000,
  syncMinMs: 1000,
  syncMaxMs: 30_000,
  syncTimeoutMs: 10_000,
  laneCheckMs: 30_000,
  reapFailedMs: day,
  reapLeftMs: day,
  reconnectIntervalMs: 10_000,
  rings: 10,
  fullMeshUpTo: 21,
  selector: "ring",
  refusedFailMs: 1000,
  frameBytes: frameBytesMax,
  membersMax: 16_384,
  lifeguard: { probe: true, suspicion: true, buddy: true },
};

/** For links between sites: round trips of hundreds of milliseconds, loss, short outages. */
export const wanOptions: GossipOptions = {
  ...lanOptions,
  probeIntervalMs: 5000,
  probeTimeoutMs: 3000,
  probeAfterMs: 5000,
  suspicionMult: 6,
  confirmations: 4,
  gossipIntervalMs: 500,
  gossipFanout: 4,
  gossipToFailedMs: 60_000,
  syncMinMs: 2000,
  syncMaxMs: 60_000,
  syncTimeoutMs: 30_000,
  laneCheckMs: 60_000,
  reconnectIntervalMs: 30_000,
};

/** For several agents on one machine, and for tests: everything happens within a second or two. */
export const localOptions: GossipOptions = {
  ...lanOptions,
  probeIntervalMs: 200,
  probeTimeoutMs: 80,
  probeAfterMs: 800,
  suspicionMult: 3,
  confirmations: 1,
  gossipIntervalMs: 40,
  gossipToFailedMs: 3000,
  syncMinMs: 200,
  syncMaxMs: 3000,
  syncTimeoutMs: 2000,
  laneCheckMs: 2000,
  reconnectIntervalMs: 1000,
  refusedFailMs: 250,
};

type Numeric = {
  [K in keyof GossipOptions]: GossipOptions[K] extends number ? K : never;
}[keyof GossipOptions];

const numeric: readonly Numeric[] = [
  "probeIntervalMs",
  "probeTimeoutMs",
  "probeAfterMs",
  "indirectProbes",
  "retransmitMult",
  "suspicionMult",
  "suspicionMaxMult",
  "confirmations",
  "awarenessMax",
  "gossipIntervalMs",
  "gossipFanout",
  "gossipToFailedMs",
  "syncMinMs",
  "syncMaxMs",
  "syncTimeoutMs",
  "laneCheckMs",
  "reapFailedMs",
  "reapLeftMs",
  "reconnectIntervalMs",
  "rings",
  "fullMeshUpTo",
  "refusedFailMs",
  "frameBytes",
  "membersMax",
];

const mayBeZero: ReadonlySet<Numeric> = new Set<Numeric>([
  "probeAfterMs",
  "indirectProbes",
  "confirmations",
]);

/**
 * Returns the options when they make sense together.
 * @throws AgentError GOSSIP_OPTION_INVALID
 */
export function checkGossipOptions(options: GossipOptions): GossipOptions {
  for (const name of numeric) {
    const value = options[name];
    const least = mayBeZero.has(name) ? 0 : Number.MIN_VALUE;
    demand(
      Number.isFinite(value) && value >= least,
      `${name} is "${value}": give a positive number`,
    );
  }
  const { probeTimeoutMs, probeIntervalMs, syncMinMs, syncMaxMs } = options;
  demand(
    probeTimeoutMs < probeIntervalMs,
    `probeTimeoutMs ${probeTimeoutMs} must be below probeIntervalMs ${probeIntervalMs}`,
  );
  demand(syncMinMs <= syncMaxMs, `syncMinMs ${syncMinMs} must not exceed syncMaxMs ${syncMaxMs}`);
  demand(
    options.suspicionMaxMult >= 1,
    `suspicionMaxMult is ${options.suspicionMaxMult}: must be ≥ 1`,
  );
  demand(
    options.frameBytes >= 1100 && options.frameBytes <= 65_535,
    `frameBytes is ${options.frameBytes}: a record needs 1100, the length prefix ends at 65535`,
  );
  demand(options.rings <= 32, `rings is ${options.rings}: more than 32 costs connections`);
  demand(options.membersMax <= 1_000_000, `membersMax is ${options.membersMax}: at most 1000000`);
  return options;
}

function demand(condition: boolean, message: string): void {
  if (!condition) {
    throw gossipError("GOSSIP_OPTION_INVALID", `Cannot use the gossip options: ${message}`);
  }
}
