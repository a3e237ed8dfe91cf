/**
 * The one door for changes: gives every command its place in this agent's exactly-once window, hands it to
 * the leader, wherever that is, and answers when it is applied here.
 */
import { type Clock } from "../base/clock.ts";
import { AgentError } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type Applied } from "../consensus/driver/api.ts";
import { encodeEnvelope } from "../inventory/codec.ts";
import {
  type Command,
  type CommandResult,
  type Envelope,
  schemaVersion,
} from "../inventory/commands.ts";

export interface WriterDeps {
  readonly clock: Clock;
  /** @param requireFit throws when the request may not be sent any more (`Submitter.submit`). */
  readonly submit: (
    request: Uint8Array,
    timeoutMs: number,
    requireFit: () => void,
  ) => Promise<Applied<CommandResult>>;
  /** The generation that answers for the entry at an index of this agent's history. */
  readonly writtenIn: (index: number) => string;
}

export interface WriteOptions {
  readonly by: string;
  readonly idempotency?: Envelope["idempotency"];
  readonly timeoutMs?: number;
}

/** A write waits this long for a leader before it is refused (interfaces.md). */
export const writeTimeoutMs = 5000;

export class InventoryWriter {
  readonly #agent: PeerId;
  readonly #boot: string;
  readonly #deps: WriterDeps;
  readonly #inFlight = new Set<number>();
  #lastSeq = 0;

  constructor(identity: { readonly agent: PeerId; readonly starts: number }, deps: WriterDeps) {
    this.#agent = identity.agent;
    this.#boot = String(identity.starts).padStart(12, "0");
    this.#deps = deps;
  }

  /**
   * A version in the command is one of the history of now: should this agent leave that history while the command
   * waits for a leader, the same number could mean another value there. Nor may the beginning of a generation be told
   * to a history that the generation does not lead to: there nothing would ever settle it.
   * @throws AgentError NO_LEADER, BUSY, TOO_LARGE, UNKNOWN_OUTCOME, STOPPED, GENERATION_SUPERSEDED.
   */
  async submit(command: Command, options: WriteOptions): Promise<CommandResult> {
    const seq = this.#lastSeq + 1;
    this.#lastSeq = seq;
    this.#inFlight.add(seq);
    try {
      const envelope: Envelope = {
        v: schemaVersion,
        at: this.#deps.clock.wallMs(),
        by: options.by,
        origin: { agent: this.#agent, boot: this.#boot, seq, acked: this.#acked() },
        idempotency: options.idempotency ?? null,
        command,
      };
      const timeoutMs = options.timeoutMs ?? writeTimeoutMs;
      const requireFit = this.#pinned(command);
      const applied = await this.#deps.submit(encodeEnvelope(envelope), timeoutMs, requireFit);
      return applied.result;
    } finally {
      this.#inFlight.delete(seq);
    }
  }

  #pinned(command: Command): () => void {
    const { writtenIn } = this.#deps;
    const version = "ifVersion" in command ? (command.ifVersion ?? 0) : 0;
    const isBeginning = command.type === "generation.begin";
    if (version === 0 && !isBeginning) return fitsAlways;
    const index = isBeginning ? Infinity : version;
    const what = isBeginning ? "The generation" : `Version ${version}`;
    const generation = writtenIn(index);
    return () => {
      if (writtenIn(index) === generation) return;
      throw new AgentError(
        "GENERATION_SUPERSEDED",
        `${what} is of a history that was left while the write waited. Nothing happened: read it again`,
        { generation },
      );
    };
  }

  /** All requests up to this number have been answered: their results need not be remembered. */
  #acked(): number {
    let oldest = this.#lastSeq + 1;
    for (const seq of this.#inFlight) {
      oldest = Math.min(oldest, seq);
      break; // insertion order is numeric order
    }
    return oldest - 1;
  }
}

function fitsAlways(): void {
  // Its meaning hangs on no version.
}
