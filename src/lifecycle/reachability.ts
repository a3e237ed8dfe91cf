/**
 * From gossip's view to the inventory's: which nodes to call reachable, unreachable or left. Good
 * news counts at once. Bad news must hold: against a rumour (hold), against a flap (the hold
 * doubles with each), against half a view (settling time of a new leader), and against a leader
 * that is itself cut off (mass loss, poor health). Losses wait a moment for each other, so that a
 * dead rack is one entry. Pure: all time comes from the caller.
 */
import { type PeerId } from "../base/ids.ts";
import { type MemberEvent, type MemberView } from "../gossip/ports.ts";
import { type NodeRecord, type Reachability } from "../inventory/records.ts";

export interface ReachabilityOptions {
  /** A member must have been failed this long. */
  readonly holdMs: number;
  /**
   * A hold that flaps doubled never gets longer than this, and is forgotten after `calmMs` without
   * a flap.
   */
  readonly maxHoldMs: number;
  readonly calmMs: number;
  /** A return within this time of the failure counts as a flap. */
  readonly flapMs: number;
  /** A new leader proposes no loss before this. */
  readonly settleMs: number;
  /** A node that gossip does not know at all is lost after this. */
  readonly missingMs: number;
  /**
   * Losses wait until nobody new was suspected for `quietMs`, yet never longer than `batchWaitMs`.
   */
  readonly quietMs: number;
  readonly batchWaitMs: number;
  /** More than this share, and at least so many nodes, failing together hold for `massHoldMs`. */
  readonly massShare: number;
  readonly massNodes: number;
  readonly massHoldMs: number;
  /** Gossip's health score from which the leader's own view is in doubt. */
  readonly doubtScore: number;
  readonly maxChanges: number;
}

export const defaultReachabilityOptions: ReachabilityOptions = {
  holdMs: 5000,
  maxHoldMs: 300_000,
  calmMs: 600_000,
  flapMs: 60_000,
  settleMs: 5000,
  missingMs: 20_000,
  quietMs: 2000,
  batchWaitMs: 15_000,
  massShare: 0.3,
  massNodes: 5,
  massHoldMs: 60_000,
  doubtScore: 4,
  maxChanges: 512,
};

export interface ReachabilityChange {
  readonly id: PeerId;
  readonly reachability: Reachability;
  readonly address?: string;
}

export interface ReachabilityInput {
  readonly now: number;
  readonly nodes: readonly NodeRecord[];
  readonly member: (id: PeerId) => MemberView | null;
  readonly healthScore: number;
}

export interface ReachabilityPlan {
  readonly changes: readonly ReachabilityChange[];
  /** Monotonic time at which to plan again without any event; null when nothing is pending. */
  readonly wakeAt: number | null;
  /** Why losses are held back although they are old enough, or null. */
  readonly uncertain: string | null;
}

interface Loss {
  readonly id: PeerId;
  readonly since: number;
  readonly dueAt: number;
}

interface FlapRecord {
  failedAt: number;
  holdMs: number;
  flappedAt: number;
}

/** Members whose flaps are remembered at most; the longest unchanged are dropped first. */
const maxFlapRecords = 10_000;

export class ReachabilityPolicy {
  readonly #options: ReachabilityOptions;
  readonly #flaps = new Map<PeerId, FlapRecord>();
  readonly #missingSince = new Map<PeerId, number>();
  #leaderSince: number | null = null;

  constructor(options: Partial<ReachabilityOptions> = {}) {
    this.#options = { ...defaultReachabilityOptions, ...options };
  }

  get isLeading(): boolean {
    return this.#leaderSince !== null;
  }

  /** Every agent notes events, so that a new leader knows who flaps. */
  note(event: MemberEvent, now: number): void {
    if (event.kind === "reap") {
      this.#flaps.delete(event.id);
      return;
    }
    const id = event.member.id;
    if (event.kind === "failed") this.#noteFailure(id, now);
    else if (event.kind === "alive" || event.kind === "join") this.#noteReturn(id, now);
  }

  /** Leadership began (or ended, with null): the settling time starts again. */
  setLeaderSince(now: number | null): void {
    this.#leaderSince = now;
    this.#missingSince.clear();
  }

  plan(input: ReachabilityInput): ReachabilityPlan {
    if (this.#leaderSince === null) return { changes: [], wakeAt: null, uncertain: null };
    const gains: ReachabilityChange[] = [];
    const losses: Loss[] = [];
    let newestTrouble = -Infinity;
    for (const node of input.nodes) {
      const member = input.member(node.id);
      if (member !== null) this.#missingSince.delete(node.id);
      const gain = gainOf(node, member);
      if (gain !== null) gains.push(gain);
      const loss = this.#lossOf(node, member, input.now);
      if (loss !== null) losses.push(loss);
      const isTrouble = member?.status === "failed" || member?.status === "suspect";
      if (isTrouble && node.reachability === "reachable") {
        newestTrouble = Math.max(newestTrouble, member.since);
      }
    }
    return this.#decide(input, { gains, losses, newestTrouble });
  }

  #decide(
    input: ReachabilityInput,
    found: {
      readonly gains: readonly ReachabilityChange[];
      readonly losses: readonly Loss[];
      readonly newestTrouble: number;
    },
  ): ReachabilityPlan {
    const { now } = input;
    const uncertain = this.#doubt(input, found.losses);
    const guardMs = uncertain === null ? 0 : this.#options.massHoldMs;
    const changes: ReachabilityChange[] = [...found.gains];
    let wakeAt = Infinity;
    let held = false;
    for (const loss of found.losses) {
      const quietAt = Math.min(
        found.newestTrouble + this.#options.quietMs,
        loss.dueAt + this.#options.batchWaitMs,
      );
      const guardedUntil = loss.since + guardMs;
      const dueAt = Math.max(loss.dueAt, quietAt, guardedUntil);
      held ||= guardedUntil > now && loss.dueAt <= now;
      if (dueAt <= now) changes.push({ id: loss.id, reachability: "unreachable" });
      else wakeAt = Math.min(wakeAt, dueAt);
    }
    if (changes.length > this.#options.maxChanges) wakeAt = now;
    return {
      changes: changes.slice(0, this.#options.maxChanges),
      wakeAt: wakeAt === Infinity ? null : wakeAt,
      uncertain: held ? uncertain : null,
    };
  }

  #lossOf(node: NodeRecord, member: MemberView | null, now: number): Loss | null {
    if (node.reachability !== "reachable") return null;
    const settledAt = (this.#leaderSince ?? now) + this.#options.settleMs;
    if (member === null) {
      const since = this.#missingSince.get(node.id) ?? now;
      this.#missingSince.set(node.id, since);
      return { id: node.id, since, dueAt: Math.max(settledAt, since + this.#options.missingMs) };
    }
    if (member.status !== "failed") return null;
    const dueAt = Math.max(settledAt, member.since + this.#holdOf(node.id, now));
    return { id: node.id, since: member.since, dueAt };
  }

  /** Why the leader should doubt its own eyes. */
  #doubt(input: ReachabilityInput, losses: readonly Loss[]): string | null {
    if (losses.length === 0) return null;
    if (input.healthScore >= this.#options.doubtScore) {
      return `this leader's own gossip health is poor (score ${input.healthScore})`;
    }
    const { massNodes, massShare } = this.#options;
    if (losses.length >= massNodes && losses.length > massShare * input.nodes.length) {
      return `${losses.length} of ${input.nodes.length} nodes failed together`;
    }
    return null;
  }

  #holdOf(id: PeerId, now: number): number {
    const record = this.#flaps.get(id);
    if (record === undefined) return this.#options.holdMs;
    const calm = now - Math.max(record.flappedAt, record.failedAt) > this.#options.calmMs;
    return calm ? this.#options.holdMs : record.holdMs;
  }

  #noteFailure(id: PeerId, now: number): void {
    const holdMs = this.#holdOf(id, now);
    const flappedAt = this.#flaps.get(id)?.flappedAt ?? -Infinity;
    this.#flaps.delete(id);
    this.#flaps.set(id, { failedAt: now, holdMs, flappedAt });
    if (this.#flaps.size <= maxFlapRecords) return;
    const oldest = this.#flaps.keys().next();
    if (oldest.done !== true) this.#flaps.delete(oldest.value);
  }

  #noteReturn(id: PeerId, now: number): void {
    const record = this.#flaps.get(id);
    if (record === undefined || now - record.failedAt > this.#options.flapMs) return;
    record.holdMs = Math.min(this.#options.maxHoldMs, record.holdMs * 2);
    record.flappedAt = now;
    // One failure makes one flap, however often its end is reported.
    record.failedAt = -Infinity;
  }
}

/** News that counts at once: a member is alive, moved, or said good-bye. */
function gainOf(node: NodeRecord, member: MemberView | null): ReachabilityChange | null {
  if (member === null) return null;
  if (member.status === "left" && node.reachability !== "left") {
    return { id: node.id, reachability: "left" };
  }
  if (member.status !== "alive") return null;
  if (node.address !== member.address && member.address !== "") {
    return { id: node.id, reachability: "reachable", address: member.address };
  }
  return node.reachability === "reachable" ? null : { id: node.id, reachability: "reachable" };
}
