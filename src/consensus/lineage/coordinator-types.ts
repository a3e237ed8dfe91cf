/** What goes into the coordinator of survivor mode and what comes out: facts and answers in, effects as data out. */
import { type Configuration, type Index, type NodeId, type Term } from "../core/types.ts";
import {
  type Ballot,
  type Generation,
  type Lineage,
  type SurvivorPlan,
  type SurvivorPolicy,
  type SurvivorTimers,
} from "./types.ts";

/**
 * Where a member is between two generations (consensus.md §2.5).
 * - `normal`: a leader with a quorum is in sight (a survivor is in a forced generation, otherwise like any other).
 * - `no-quorum`: none since a moment; an ordinary election may still end it.
 * - `wait-peers`: the same after a start into silence: this process has outlived nobody.
 * - `survey`: members without a quorum tell each other what they know.
 * - `promised`: takes part in a ballot, or did; acts in its generation no more.
 * - `forcing`: its ballot was accepted by all, the new generation is being written.
 * - `superseded`: another history won; this one is frozen here for good.
 * - `exporting`, `resync`: gives what the winner lacks, then starts over as its follower.
 */
export const coordinatorStates = [
  "normal",
  "no-quorum",
  "wait-peers",
  "survey",
  "promised",
  "forcing",
  "superseded",
  "exporting",
  "resync",
] as const;
export type CoordinatorState = (typeof coordinatorStates)[number];

export interface SurvivorSettings {
  readonly policy: SurvivorPolicy;
  readonly timers: SurvivorTimers;
  /** The operator's brake: nothing is forced while it is on, whatever the policy. */
  readonly hold: boolean;
  readonly fence: boolean;
}

/** What the coordinator must know of its own agent; gathered anew for every input. */
export interface LocalFacts {
  readonly lineage: Lineage;
  /** The engine has a leader with a quorum in sight, and who it is. Null while it is halted. */
  readonly leader: NodeId | null;
  readonly term: Term;
  readonly lastTerm: Term;
  readonly lastIndex: Index;
  readonly commit: Index;
  readonly leaderLast: Index;
  readonly configuration: Configuration;
  /** Hash chain of the own log at an index, hex; null where it is not known any more. */
  readonly chainAt: (index: Index) => string | null;
  /** Members of the cluster, this one included, whether or not the configuration names them. */
  readonly admitted: readonly NodeId[];
  /** Members that this one is in touch with anyway, whatever the size of the cluster: gossip's neighbours. */
  readonly neighbours: readonly NodeId[];
  /** Per member: for how long nothing at all was heard of it, ms. Absent: not in this process's life. */
  readonly heardMs: ReadonlyMap<NodeId, number>;
  readonly storageOk: boolean;
  /** Its end was attested to somebody: it does not act in this generation before that is settled. */
  readonly held?: boolean;
  readonly hasCarrier: boolean;
  readonly upMs: number;
  /** How many times slower than others this agent's machine is, so that it asks less; 1 or more. */
  readonly slowness: number;
  readonly settings: SurvivorSettings;
}

export interface BallotRequest {
  readonly parent: string;
  readonly ballot: Ballot;
  /** Nonces of the attested exits that it is built on. Who has renounced one of them takes no part. */
  readonly exits: readonly string[];
}

export interface AcceptRequest extends Omit<BallotRequest, "exits"> {
  readonly child: Generation;
}

/** Where an agent goes that leaves its history: the winner's path, and from whom it heard of it. */
export interface Departure {
  readonly via: NodeId;
  readonly generations: readonly Generation[];
  /** Last index that both histories share; null when nothing need be exported. */
  readonly exportAfter: Index | null;
}

export type CoordinatorEffect =
  | { readonly kind: "hello" | "survey"; readonly to: NodeId }
  | { readonly kind: "prepare"; readonly to: NodeId; readonly request: BallotRequest }
  | { readonly kind: "accept"; readonly to: NodeId; readonly request: AcceptRequest }
  /** Force `child`; `term` is above every term that a survivor has seen. */
  | {
      readonly kind: "enter";
      readonly child: Generation;
      readonly term: Term;
      /** What was known of those left behind, for the record. */
      readonly evidence: SurvivorPlan["lost"];
    }
  | { readonly kind: "adopt"; readonly generations: readonly Generation[] }
  /** Ask whether a leader of the generation answers there, before this history is left for it. */
  | { readonly kind: "confirm"; readonly to: NodeId; readonly generation: string }
  /** Freeze, export, ask to be demoted, and start over in the winner's generation. */
  | { readonly kind: "depart"; readonly departure: Departure }
  | { readonly kind: "ask-exit" | "fence"; readonly node: NodeId }
  | {
      readonly kind: "log";
      readonly level: "info" | "warn" | "error";
      readonly message: string;
      readonly data: Readonly<Record<string, unknown>>;
    };

export interface CoordinatorStatus {
  readonly state: CoordinatorState;
  /** What the last plan said; null while a quorum is in sight. */
  readonly plan: SurvivorPlan | null;
}

export type RecoverVerdict =
  | { readonly begun: true; readonly effects: readonly CoordinatorEffect[] }
  | { readonly begun: false; readonly reason: "has-quorum" | "busy" }
  /** `changed`: not the plan that was shown. `other`: `plan.best` has the best log and must do it. */
  | { readonly begun: false; readonly reason: "changed" | "other"; readonly plan: SurvivorPlan };
