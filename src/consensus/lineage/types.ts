/**
 * Generations: what happens to the log when no quorum is left and one must be forced. A generation is one
 * uninterrupted history of the log; inside it all of Raft holds. A forced one is a child of the one it was forced
 * from, so histories form a tree, and two agents that meet compare their paths (DRBD's generation identifiers,
 * CASPaxos for the decision; consensus.md §2). Terms and indices go on across a fork: index 101 may exist twice,
 * in two generations, but never twice in one.
 */
import {
  type Configuration,
  type Index,
  type LogPosition,
  type NodeId,
  type Term,
} from "../core/types.ts";

export interface GenerationRef {
  /** Depth in the tree; the bootstrap generation is 1. */
  readonly n: number;
  /** 32 hex digits. That of the bootstrap generation follows from the cluster id, so a new member knows it. */
  readonly id: string;
}

/**
 * How a generation began. `forced-proof`: every missing voter was proven gone (attested exit, fence, clean leave), so
 * nothing acknowledged is missing and nobody else can act: not provisional. The other forced kinds are.
 */
export type GenerationKind = "bootstrap" | "forced-proof" | "forced-operator" | "forced-auto";

/** One node of the tree. Immutable once its ForceConfig is committed. */
export interface Generation extends GenerationRef {
  readonly parent: string | null;
  readonly kind: GenerationKind;
  /** Last entry kept from the parent: index, term, and the log's hash chain there (hex). 0, 0, "" at bootstrap. */
  readonly forkIndex: Index;
  readonly forkTerm: Term;
  readonly forkChain: string;
  /** Commit index known in the parent when it was left: what the parent's quorum had certainly accepted. */
  readonly legitCommit: Index;
  /** Who accepted it, coordinator included. */
  readonly members: readonly NodeId[];
  readonly coordinator: NodeId;
  /** Members that had started over and not caught up (`voteFrom`): they get no vote at first. Left out when empty. */
  readonly abstaining?: readonly NodeId[];
  /** Voters and standbys of the parent that were not reached. */
  readonly lost: readonly NodeId[];
  /** True when some member was continuously up while each lost one disappeared; false after a cold start. */
  readonly outlived: boolean;
  /** Entries that may be missing at most: highest last index a leader told, minus forkIndex; null when unknown. */
  readonly missingAtMost: number | null;
  /** Wall clock of the coordinator, ms since the epoch. For operators only, nothing is decided by it. */
  readonly at: number;
}

/**
 * What a member promised or accepted while a child of `parent` is being decided. From the promise on it neither
 * votes nor acknowledges nor leads in `parent`. Durable before it is answered.
 */
export interface LineagePromise {
  /** Id of the generation that is being left. */
  readonly parent: string;
  readonly ballot: Ballot;
  /** The highest child accepted so far, and under which ballot. */
  readonly accepted: { readonly ballot: Ballot; readonly child: Generation } | null;
}

/** Totally ordered by (counter, node). */
export interface Ballot {
  readonly counter: number;
  readonly node: NodeId;
}

/** Durable beside the log, written in the same atomic batch as what it belongs to. */
export interface Lineage {
  /** From bootstrap to the current one (last). At most 64; older ones between are dropped, the first is kept. */
  readonly generations: readonly Generation[];
  readonly promise: LineagePromise | null;
  /**
   * Of an agent that started over with an empty log: the winner's commit position then. Before its log is so long again
   * it neither votes nor stands, or an agent that missed its demotion could be elected with its vote and a log that
   * lacks what it had acknowledged. It is kept when the agent follows into a child; null when it never started over.
   */
  readonly voteFrom: LogPosition | null;
  /**
   * Generations that it left by starting over and is not in again, newest last, at most 64. Its log lacks what it
   * acknowledged there, so it enters them only behind what their leader has committed. Left out when there are none.
   */
  readonly left?: readonly string[];
}

/** What two agents tell each other on contact and every few seconds. */
export interface LineageHello {
  readonly clusterId: string;
  readonly from: NodeId;
  readonly generations: readonly Generation[];
  readonly promise: LineagePromise | null;
  readonly lastTerm: Term;
  readonly lastIndex: Index;
  readonly commit: Index;
  /** Who leads, with a quorum, in the sender's generation; null when nobody does. */
  readonly leader: NodeId | null;
  /** Hash chain of the sender's log (hex) at the indices that `indicesToTell` names and it still retains. */
  readonly chains: readonly (readonly [Index, string])[];
}

export type Relation =
  | { readonly relation: "same" }
  /**
   * `who` is in an earlier generation and has nothing confirmed that the other side lacks. Both logs are known to be
   * equal up to `at`, which is not below its commit index; it cuts off the rest when it enters. `tail`: that rest
   * is longer than the fork and may have been acknowledged by members that are gone, so it is exported first.
   */
  | {
      readonly relation: "behind";
      readonly who: "me" | "them";
      readonly at: Index;
      readonly tail: boolean;
    }
  | {
      readonly relation: "diverged";
      /** Id of the last common generation, and the last common index. */
      readonly ancestor: string;
      readonly forkIndex: Index;
      readonly winner: "me" | "them";
      readonly rule: WinnerRule;
    }
  | { readonly relation: "foreign"; readonly why: string };

/**
 * W1 a leader with a quorum in the common ancestor, else the greater (term, index) kept of it (compare.ts says why);
 * W0 proven or outlived before a cold start that outlived nobody; W2 proven > operator > automatic; W3 more members
 * accepted; W4 smaller id. In this order: W0 only breaks W1's ties.
 */
export type WinnerRule = "W1" | "W0" | "W2" | "W3" | "W4";

/** What a member without a quorum knows; the plan is made from all of them. */
export interface Survey {
  readonly from: NodeId;
  readonly generation: GenerationRef;
  readonly promise: LineagePromise | null;
  readonly lastTerm: Term;
  readonly lastIndex: Index;
  readonly commit: Index;
  /** Highest last index the leader of this generation told. */
  readonly leaderLast: Index;
  readonly configuration: Configuration;
  /** Members that asked and answered within the last seconds. */
  readonly twoWay: readonly NodeId[];
  /** Per member of the configuration that is not in twoWay: for how long nothing was heard of it, ms. */
  readonly silentMs: Readonly<Record<NodeId, number>>;
  /** Members this process saw alive before they fell silent. */
  readonly outlived: readonly NodeId[];
  readonly proofs: readonly Proof[];
  /** Hash chain of its log (hex) at the last index of every exit statement it knows of, and at its own last index. */
  readonly chains: readonly (readonly [Index, string])[];
  readonly storageOk: boolean;
  /** Its log has the first entry of this generation, so it may stand for election (`standFrom`). */
  readonly hasBegun: boolean;
  /** Its log reaches `voteFrom`. */
  readonly mayVote: boolean;
  /** As in its lineage. */
  readonly left?: readonly string[];
  /** Its end was attested to somebody: it elects nobody in this generation before that is settled. */
  readonly held: boolean;
  /** At least one network interface has a carrier (true for agents that advertise loopback). */
  readonly hasCarrier: boolean;
  /** For how long this process is up, ms. */
  readonly upMs: number;
}

/** A fact about a missing member: it is certainly gone and will not act in this generation again. */
export type Proof =
  | {
      readonly kind: "exit";
      readonly node: NodeId;
      readonly statement: ExitStatement;
    }
  | { readonly kind: "leave" | "fence"; readonly node: NodeId; readonly generation: GenerationRef }
  /** It told us itself that it left this generation for another: it promised not to act here again. */
  | { readonly kind: "departed"; readonly node: NodeId; readonly generation: GenerationRef };

/**
 * What the supervisor of a dead agent attests, signed by the host's key: the agent is gone, this is where its log
 * ended, and it will not start in this generation before whoever asked has answered it.
 */
export interface ExitStatement {
  readonly node: NodeId;
  /** Fresh per asking: the restart is held until every nonce given out is settled. */
  readonly nonce: string;
  readonly generation: GenerationRef;
  readonly voters: readonly NodeId[];
  readonly term: Term;
  readonly lastTerm: Term;
  readonly lastIndex: Index;
  /** Hash chain at lastIndex, hex. */
  readonly chain: string;
}

export type SurvivorPolicy = "off" | "proof" | "silence";

export interface SurvivorTimers {
  /** Silence of every missing member before an automatic survivor. */
  readonly silenceMs: number;
  /** Wait of an agent that started into silence. */
  readonly coldMs: number;
}

export interface SurvivorPlan {
  readonly act: boolean;
  /** Why it acts, or what it waits for, for an operator. */
  readonly why: string;
  readonly kind: Exclude<GenerationKind, "bootstrap">;
  readonly parent: GenerationRef;
  /** The largest group that can all talk to each other and holds the best log. */
  readonly survivors: readonly NodeId[];
  /** Those of them that started over and have not caught up. */
  readonly abstaining: readonly NodeId[];
  /** Highest (lastTerm, lastIndex) among them: it coordinates (§2.6). */
  readonly best: NodeId;
  /** A child that some survivors accepted already: it is finished instead of making another. Usually null. */
  readonly finish: Generation | null;
  readonly lost: readonly {
    readonly id: NodeId;
    readonly silentMs: number | null;
    readonly proof: Proof["kind"] | null;
  }[];
  /** Only proof that voters are gone, or their silence, is missing: what a fence is for. */
  readonly wantsProof: boolean;
  /** Nonces of the attested exits it counts on. */
  readonly exits: readonly string[];
  readonly outlived: boolean;
  readonly missingAtMost: number | null;
  readonly majorityOfAll: boolean;
  /** ms until `act` could become true if nothing changes; null when time alone will not help. */
  readonly waitMs: number | null;
  /** SHA-256 over what an operator confirms: parent, survivors, best position, lost. Hex. */
  readonly hash: string;
}
