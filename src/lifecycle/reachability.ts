/**
 * From gossip's view to the inventory's: which nodes to call reachable, unreachable or left. Good
 * news counts at once. Bad news must hold: against a rumour and against flaps (flap-damping.ts),
 * against half a view (settling time of a new leader), and against a leader that is itself cut off
 * or unwell (leader-doubt.ts). Losses wait a moment for each other, so that a dead rack is one
 * entry. Pure: all time comes from the caller.
 */
import { type PeerId } from "../base/ids.ts";
import { type MemberEvent, type MemberView } from "../gossip/ports.ts";
import { type NodeRecord, type Reachability } from "../inventory/records.ts";
import { FlapDamping, type FlapDampingOptions } from "./flap-damping.ts";
import { type Doubt, LeaderDoubt, type LeaderDoubtOptions } from "./leader-doubt.ts";

export interface ReachabilityOptions extends FlapDampingOptions, LeaderDoubtOptions {
  /** A new leader proposes no loss before this, and its view agreed with another's once. */
  readonly settleMs: number;
  /** It does not wait longer for that agreement: the longest suspicion, by when it knows itself. */
  readonly maxSettleMs: number;
  /** Whether it agrees is looked at this often while losses wait for it. */
  readonly agreementMs: number;
  /** While its health is poor others are asked; whether they agree is looked at this often. */
  readonly opinionMs: number;
  /** A doubt is not told before others had so much time to end it. */
  readonly silentDoubtMs: number;
  /** A node that gossip does not know at all is lost after this. */
  readonly missingMs: number;
  /**
   * Losses wait until nobody new was suspected for `quietMs`, yet never longer than `batchWaitMs`.
   */
  readonly quietMs: number;
  readonly batchWaitMs: number;
  readonly maxChanges: number;
}

export const defaultReachabilityOptions: ReachabilityOptions = {
  holdMs: 5000,
  maxHoldMs: 300_000,
  calmMs: 600_000,
  flapMs: 60_000,
  outageSlackMs: 20_000,
  settleMs: 5000,
  maxSettleMs: 90_000,
  agreementMs: 1000,
  opinionMs: 250,
  silentDoubtMs: 2000,
  missingMs: 20_000,
  quietMs: 2000,
  batchWaitMs: 15_000,
  doubtScore: 4,
  maxDoubtMs: 300_000,
  massShare: 0.3,
  massWindowMs: 60_000,
  massNodes: 5,
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
  /** Lifeguard's score of this agent. */
  readonly healthScore: number;
  /** The members this agent probes and is probed by. */
  readonly neighbours: readonly PeerId[];
  /** A whole exchange of views with another member found no difference. */
  readonly viewAgrees: boolean;
  /** When members were asked that had the same view, once for each of the last few. */
  readonly agreedAt: readonly number[];
  /** Members that are up, without this agent. */
  readonly othersUp: number;
}

export interface ReachabilityPlan {
  readonly changes: readonly ReachabilityChange[];
  /** Monotonic time at which to plan again without any event; null when nothing is pending. */
  readonly wakeAt: number | null;
  /** Why losses are held back although they are old enough, or null. */
  readonly doubt: Doubt | null;
  /** Others should be asked now whether they see the same. */
  readonly asksOthers: boolean;
}

interface Loss {
  readonly id: PeerId;
  readonly since: number;
  /** From when on it has been there for long enough; it is due when the leader has settled, too. */
  readonly heldAt: number;
  readonly dueAt: number;
}

interface Findings {
  readonly gains: readonly ReachabilityChange[];
  readonly losses: readonly Loss[];
  readonly newestTrouble: number;
  readonly doubt: Doubt | null;
}

const idle: ReachabilityPlan = { changes: [], wakeAt: null, doubt: null, asksOthers: false };

export class ReachabilityPolicy {
  readonly #options: ReachabilityOptions;
  readonly #flaps: FlapDamping;
  readonly #doubt: LeaderDoubt;
  readonly #missingSince = new Map<PeerId, number>();
  #leaderSince: number | null = null;
  #hasAgreed = false;

  constructor(options: Partial<ReachabilityOptions> = {}) {
    this.#options = { ...defaultReachabilityOptions, ...options };
    this.#flaps = new FlapDamping(this.#options);
    this.#doubt = new LeaderDoubt(this.#options);
  }

  get isLeading(): boolean {
    return this.#leaderSince !== null;
  }

  /** Every agent notes events, so that a new leader knows who flaps. */
  note(event: MemberEvent, now: number): void {
    if (event.kind === "reap") {
      this.#flaps.forget(event.id);
      return;
    }
    const id = event.member.id;
    if (event.kind === "failed") this.#flaps.failed(id, now);
    else if (event.kind === "alive" || event.kind === "join") this.#flaps.returned(id, now);
  }

  /** Leadership began (or ended, with null): the settling time starts again. */
  setLeaderSince(now: number | null): void {
    this.#leaderSince = now;
    this.#hasAgreed = false;
    this.#missingSince.clear();
  }

  plan(input: ReachabilityInput): ReachabilityPlan {
    if (this.#leaderSince === null) return idle;
    this.#hasAgreed ||= input.viewAgrees;
    const gains: ReachabilityChange[] = [];
    const losses: Loss[] = [];
    const failedSince = new Map<PeerId, number>();
    let newestTrouble = -Infinity;
    for (const node of input.nodes) {
      const member = input.member(node.id);
      if (member !== null) this.#missingSince.delete(node.id);
      if (member?.status === "failed") failedSince.set(node.id, member.since);
      const gain = gainOf(node, member);
      if (gain !== null) gains.push(gain);
      const loss = this.#lossOf(node, member, input.now);
      if (loss !== null) losses.push(loss);
      const isTrouble = member?.status === "failed" || member?.status === "suspect";
      if (isTrouble && node.reachability === "reachable") {
        newestTrouble = Math.max(newestTrouble, member.since);
      }
    }
    const doubt = this.#doubt.assess({ ...input, nodeCount: input.nodes.length, failedSince });
    return this.#decide(input.now, { gains, losses, newestTrouble, doubt });
  }

  #decide(now: number, { gains, losses, newestTrouble, doubt }: Findings): ReachabilityPlan {
    const { quietMs, maxChanges, agreementMs, opinionMs, silentDoubtMs } = this.#options;
    const changes: ReachabilityChange[] = [...gains];
    const togetherAt = this.#togetherAt(losses);
    let wakeAt = losses.length > 0 && !this.#hasAgreed ? now + agreementMs : Infinity;
    let isTold = false;
    let asksOthers = false;
    for (const loss of losses) {
      const { together, latest } = togetherAt(loss);
      const settledAt = Math.max(together, newestTrouble + quietMs);
      const readyAt = Math.max(loss.dueAt, Math.min(settledAt, latest));
      const doubtedUntil = doubt?.until(loss) ?? -Infinity;
      const isDoubted = doubtedUntil > now;
      isTold ||= isDoubted && loss.dueAt + silentDoubtMs <= now;
      if (isDoubted && doubt?.reason === "LeaderUnwell") {
        asksOthers ||= loss.heldAt <= now;
        wakeAt = Math.min(wakeAt, Math.max(loss.heldAt, now + opinionMs));
      }
      const dueAt = Math.max(readyAt, doubtedUntil);
      if (dueAt <= now) changes.push({ id: loss.id, reachability: "unreachable" });
      else wakeAt = Math.min(wakeAt, dueAt);
    }
    if (changes.length > maxChanges) wakeAt = now;
    return {
      changes: changes.slice(0, maxChanges),
      wakeAt: wakeAt === Infinity ? null : wakeAt,
      doubt: isTold ? doubt : null,
      asksOthers,
    };
  }

  /**
   * Losses that are due within `batchWaitMs` of each other go together, when the last of them is due. One that flaps
   * hold back for longer does not hold back the others.
   */
  #togetherAt(losses: readonly Loss[]): (loss: Loss) => { together: number; latest: number } {
    const { batchWaitMs } = this.#options;
    const sorted = losses.map(({ dueAt }) => dueAt).sort((a, b) => a - b);
    return ({ dueAt }) => {
      const first = sorted.find((due) => due > dueAt - batchWaitMs) ?? dueAt;
      const latest = first + batchWaitMs;
      return { together: sorted.findLast((due) => due <= latest) ?? dueAt, latest };
    };
  }

  #lossOf(node: NodeRecord, member: MemberView | null, now: number): Loss | null {
    if (node.reachability !== "reachable") return null;
    const { settleMs, maxSettleMs, missingMs } = this.#options;
    const settledAt = (this.#leaderSince ?? now) + (this.#hasAgreed ? settleMs : maxSettleMs);
    if (member === null) {
      const since = this.#missingSince.get(node.id) ?? now;
      this.#missingSince.set(node.id, since);
      const heldAt = since + missingMs;
      return { id: node.id, since, heldAt, dueAt: Math.max(settledAt, heldAt) };
    }
    if (member.status !== "failed") return null;
    const heldAt = member.since + this.#flaps.holdOf(node.id, now);
    return { id: node.id, since: member.since, heldAt, dueAt: Math.max(settledAt, heldAt) };
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
