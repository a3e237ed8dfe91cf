/** What lineage needs from outside: the other agents, proofs of their end, and what a merge means for the records. */
import { type Index, type LogPosition, type NodeId, type Term } from "../core/types.ts";
import {
  type Ballot,
  type ExitStatement,
  type Generation,
  type GenerationRef,
  type LineageHello,
  type LineagePromise,
  type Survey,
} from "./types.ts";

/**
 * Whether the ballot is still under way. Asked right before the request leaves, which may be long after: a promise to a
 * ballot that is over is never taken back, and fences its giver for nothing.
 */
export type IsOpen = () => boolean;

/** RPCs between agents of one cluster, of whatever generation. All reject when the peer does not answer in time. */
export interface LineagePeers {
  hello(to: NodeId, hello: LineageHello): Promise<LineageHello>;
  survey(to: NodeId, survey: Survey): Promise<Survey>;
  prepare(
    to: NodeId,
    request: {
      readonly parent: string;
      readonly ballot: Ballot;
      readonly exits: readonly string[];
    },
    isOpen: IsOpen,
  ): Promise<PromiseAnswer>;
  accept(
    to: NodeId,
    request: { readonly parent: string; readonly ballot: Ballot; readonly child: Generation },
    isOpen: IsOpen,
  ): Promise<PromiseAnswer>;
  /**
   * Resolves when a leader of `generation` with a quorum just answered the agent asked. Its hello may tell of one that is
   * gone: who has no place in the log hears of the leader's silence late.
   */
  confirm(to: NodeId, generation: string): Promise<void>;
  /** The loser gives one page of what it changed; the winner answers when the page is committed there. */
  merge(to: NodeId, page: MergePage): Promise<void>;
  /**
   * Asks the winner's leader to let `node` vote no more; resolves when its committed configuration says so, with the
   * leader's generations and commit position then.
   */
  demote(to: NodeId, node: NodeId): Promise<Demotion>;
  /** Asks whether an attested exit was used; afterwards it cannot be used any more. */
  settleExit(to: NodeId, exit: SettledExit): Promise<"void" | "used">;
}

/** One statement, by its nonce, and the id of the generation that its agent is back in. */
export interface SettledExit {
  readonly nonce: string;
  readonly generation: string;
}

export interface PromiseAnswer {
  readonly granted: boolean;
  /** The answerer's promise after the request. */
  readonly promise: LineagePromise | null;
  /** Where its log ends, its term and commit index: after the promise, so none of them moves any more. */
  readonly term: Term;
  readonly lastTerm: Term;
  readonly lastIndex: Index;
  readonly commit: Index;
}

export interface Demotion {
  readonly generations: readonly Generation[];
  readonly commit: LogPosition;
}

/** One step of a merge, idempotent by (generation, sequence). The last page has `pages` set. */
export interface MergePage {
  readonly generation: GenerationRef;
  /** Last index that both histories share. */
  readonly forkIndex: Index;
  /** Members of the losing side: a node-owned record follows the side its node was on. */
  readonly members: readonly NodeId[];
  readonly sequence: number;
  /** Encoded by the merge policy; opaque to consensus. */
  readonly bytes: Uint8Array;
  /** How many pages there are, on the last one; null on the others. */
  readonly pages: number | null;
}

/** What records mean when two histories become one again. src/inventory implements it. */
export interface MergePolicy {
  /** Everything this replica holds that changed after `fork`, and what it deleted; each page ≤ 256 KiB. */
  pages(fork: Index): Iterable<Uint8Array>;
  /** On the winning side: has the page committed. Rejects with a code when it cannot be (no leader, over a limit). */
  merge(page: MergePage): Promise<void>;
}

/** A history that lost, when all of it is merged into the winner's. */
export interface DepartedHistory {
  readonly generation: GenerationRef;
  /** Last index that both histories share, and where this one ended here. */
  readonly forkIndex: Index;
  readonly lastIndex: Index;
  /** The generation that won. */
  readonly winner: GenerationRef;
}

/** Keeps a copy of what this agent held, before it starts over. Never rejects: it is for people, nothing hangs on it. */
export interface HistoryKeeper {
  /** @param signal when it aborts the agent goes on: what is unfinished is dropped, and the state no longer looked at. */
  keep(history: DepartedHistory, signal: AbortSignal): Promise<void>;
}

/** Proof that an agent's process ended. Null: no supervisor answered, or the agent runs. */
export interface ExitWitness {
  ask(node: NodeId, signal: AbortSignal): Promise<ExitStatement | null>;
}

/** The operator's command that makes certain a host is off. Resolves true only on exit code 0. */
export interface Fencer {
  fence(node: NodeId, signal: AbortSignal): Promise<boolean>;
}
