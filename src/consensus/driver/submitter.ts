/**
 * Commands from any agent: to the core when this agent leads, else to the leader. Retries the same bytes until
 * they are surely in or the deadline is there, because the state machine recognises repetitions (each request
 * carries its place in its sender's window); so a change of leader costs time, never a double.
 */
import { type Clock } from "../../base/clock.ts";
import { AgentError, errorCode } from "../../base/errors.ts";
import { type Random } from "../../base/random.ts";
import { type Index, type NodeId, type Term } from "../core/types.ts";
import { ConsensusError } from "../errors.ts";
import { type Applied, type ConsensusNode } from "./api.ts";

export interface Position {
  readonly index: Index;
  readonly term: Term;
}

export interface SubmitterDependencies<R> {
  readonly self: NodeId;
  readonly node: Pick<
    ConsensusNode<R>,
    "propose" | "hasten" | "waitApplied" | "resultAt" | "status" | "onChange" | "generation"
  >;
  /** Make a request what is appended to the log; on the leader only (it stamps the time). */
  readonly stamp: (request: Uint8Array) => Uint8Array;
  /** Checks it too: it comes from another agent. */
  readonly admit: (request: Uint8Array) => Uint8Array;
  /**
   * Learns what must be known of a leader before it is asked, without sending the request; null: nothing. It is part of
   * the attempt, which may end meanwhile: then the request stays unsent.
   */
  readonly meet?: (leader: NodeId, timeoutMs: number) => Promise<void> | null;
  /** Asks the leader to `handleForward`. Rejects with what the RPC layer or the leader said. */
  readonly forward: (leader: NodeId, request: Uint8Array, timeoutMs: number) => Promise<Position>;
  readonly clock: Clock;
  readonly random: Random;
}

/** What a failed attempt means for the request. */
type Fate = "not-sent" | "unknown" | "final";

const notSentCodes = ["NOT_LEADER", "PEER_UNREACHABLE", "RPC_OVERLOADED", "UNKNOWN_METHOD"];
const unknownCodes = [
  ...["UNKNOWN_OUTCOME", "RPC_TIMEOUT", "PEER_LOST", "APPLY_TIMEOUT", "LEADER_CHANGED"],
  ...["RESULT_GONE", "STOPPED"],
];
const firstPauseMs = 10;
const longestPauseMs = 250;
/** A leader that does not answer for this long is asked again, or another one is. */
const attemptMs = 2000;

interface Request {
  readonly bytes: Uint8Array;
  readonly deadlineMs: number;
  /** Throws when the request means nothing any more in the history that this agent is in. */
  readonly requireFit: () => void;
  /** An attempt may have been carried out. */
  sent: boolean;
}

export class Submitter<R> {
  readonly #deps: SubmitterDependencies<R>;
  #leader: NodeId | null;
  /** Attempts under way, and callers that wait for a leader: told when leadership changes. */
  readonly #onLeader = new Set<() => void>();
  readonly #unsubscribe: () => void;
  #closed = false;

  constructor(dependencies: SubmitterDependencies<R>) {
    this.#deps = dependencies;
    this.#leader = dependencies.node.status().leader;
    this.#unsubscribe = dependencies.node.onChange(({ leader }) => {
      if (leader === this.#leader) return;
      this.#leader = leader;
      for (const tell of [...this.#onLeader]) tell();
    });
  }

  /** Forgets the node. Requests under way end soon, as surely unsent or unknown, and new ones are refused. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    for (const tell of [...this.#onLeader]) tell();
  }

  /**
   * @param requireFit is called before every attempt; what it throws ends the request. The agent may change its
   *   generation between two attempts, never between this call and the proposal.
   * @throws AgentError NO_LEADER, BUSY, TOO_LARGE (nothing happened), UNKNOWN_OUTCOME, STOPPED.
   */
  async submit(
    bytes: Uint8Array,
    timeoutMs: number,
    requireFit: () => void = () => undefined,
  ): Promise<Applied<R>> {
    const deadlineMs = this.#deps.clock.monotonicMs() + timeoutMs;
    const request: Request = { bytes, deadlineMs, requireFit, sent: false };
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      const leader = this.#leader;
      if (this.#closed && !request.sent) throw stopping();
      if (this.#closed || this.#leftMs(request) <= 0) throw expired(request);
      if (leader === null) {
        await this.#changeOr(this.#leftMs(request));
        continue;
      }
      try {
        return await this.#attempt(request, leader);
      } catch (error) {
        const fate = this.#judge(request, leader, error);
        if (fate === "final") throw request.sent ? expired(request, error) : error;
        request.sent ||= fate === "unknown";
      }
      await this.#pause(request, pauseMs);
    }
  }

  /** The leader's side of a forwarded request. @throws as `ConsensusNode.propose` does. */
  async handleForward(bytes: Uint8Array): Promise<Position> {
    const { node, admit } = this.#deps;
    const { index, term } = await node.propose(admit(bytes));
    node.hasten(index); // the sender answers when it has applied it, too
    return { index, term };
  }

  #attempt(request: Request, leader: NodeId): Promise<Applied<R>> {
    const { node, stamp, self } = this.#deps;
    if (leader !== self) return this.#ask(request, leader);
    // Before the limit is set: if these threw behind it, nobody would wait for what the limit rejects.
    request.requireFit();
    const stamped = stamp(request.bytes);
    const { promise, resolve, reject } = Promise.withResolvers<Applied<R>>();
    const settled = this.#limit(this.#leftMs(request), reject);
    node.propose(stamped).then(resolve, reject).finally(settled);
    return promise;
  }

  async #ask(request: Request, leader: NodeId): Promise<Applied<R>> {
    const { node, forward } = this.#deps;
    const { promise, resolve, reject } = Promise.withResolvers<Position>();
    const limitMs = await this.#met(leader, Math.min(this.#leftMs(request), attemptMs));
    if (limitMs <= 0 || this.#leader !== leader || this.#closed)
      throw attemptError("PEER_UNREACHABLE");
    request.requireFit();
    const { id: generation } = node.generation();
    const settled = this.#limit(limitMs, reject);
    forward(leader, request.bytes, limitMs).then(resolve, reject).finally(settled);
    const { index, term } = await promise;
    request.sent = true;
    await node.waitApplied(index, Math.max(1, this.#leftMs(request))).catch((error: unknown) => {
      // This agent stops: it will never see the result, so there is no point in trying on.
      throw errorCode(error) === "STOPPED" ? attemptError("STOPPED_HERE") : error;
    });
    // In another generation the same position can be another entry's. Asking again gives the remembered answer there.
    if (node.generation().id !== generation) throw attemptError("LEADER_CHANGED");
    const result = node.resultAt(index, term);
    // A snapshot or many newer results replaced it: asking again gives the remembered answer.
    if (result === null) throw attemptError("RESULT_GONE");
    return { index, term, result };
  }

  /** What is left of the time when the leader is known. @throws AgentError PEER_UNREACHABLE: surely not sent. */
  async #met(leader: NodeId, limitMs: number): Promise<number> {
    const { meet, clock } = this.#deps;
    const begunMs = clock.monotonicMs();
    const meeting = meet?.(leader, limitMs) ?? null;
    if (meeting === null) return limitMs;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const settled = this.#limit(limitMs, () => reject(attemptError("PEER_UNREACHABLE")));
    meeting.then(resolve, reject).finally(settled);
    await promise;
    return limitMs - (clock.monotonicMs() - begunMs);
  }

  /** Ends an attempt when the leader changes or the time is over. Returns what to call when it ended. */
  #limit(limitMs: number, reject: (error: Error) => void): () => void {
    const changed = (): void => reject(attemptError("LEADER_CHANGED"));
    this.#onLeader.add(changed);
    const cancel = this.#deps.clock.setTimer(limitMs, () => reject(attemptError("RPC_TIMEOUT")));
    return () => {
      cancel();
      this.#onLeader.delete(changed);
    };
  }

  #judge(request: Request, leader: NodeId, error: unknown): Fate {
    const code = errorCode(error);
    if (code === "STOPPED" && leader === this.#deps.self) return "final";
    if (code === "BUSY") return request.sent ? "not-sent" : "final";
    if (code !== undefined && notSentCodes.includes(code)) return "not-sent";
    return code !== undefined && unknownCodes.includes(code) ? "unknown" : "final";
  }

  /** A pause that ends when leadership changes: the reason to wait is over then. */
  #pause(request: Request, pauseMs: number): Promise<void> {
    const jittered = pauseMs * (0.5 + this.#deps.random.float());
    return this.#changeOr(Math.max(0, Math.min(jittered, this.#leftMs(request))));
  }

  #changeOr(limitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#deps.clock.setTimer(limitMs, resolve);
    const tell = (): void => {
      cancel();
      resolve();
    };
    this.#onLeader.add(tell);
    return promise.finally(() => this.#onLeader.delete(tell));
  }

  #leftMs({ deadlineMs }: Request): number {
    return deadlineMs - this.#deps.clock.monotonicMs();
  }
}

function attemptError(code: string): AgentError {
  return new AgentError(code, "This attempt did not end well.");
}

function stopping(): ConsensusError {
  return new ConsensusError("STOPPED", "This agent is stopping. Nothing happened.");
}

function expired({ sent }: Request, cause?: unknown): ConsensusError {
  if (!sent) {
    return new ConsensusError("NO_LEADER", "No leader was found in time. Nothing happened.");
  }
  const message =
    "The command was sent, but no answer came in time. It may still be committed: look before repeating it.";
  return new ConsensusError("UNKNOWN_OUTCOME", message, {}, { cause });
}
