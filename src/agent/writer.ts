/**
 * The one door for changes: gives every command its place in this agent's exactly-once window, hands it to
 * the leader, wherever that is, and answers when it is applied here.
 */
import { type Clock } from "../base/clock.ts";
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
  readonly submit: (request: Uint8Array, timeoutMs: number) => Promise<Applied<CommandResult>>;
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

  /** @throws AgentError NO_LEADER, BUSY, TOO_LARGE, UNKNOWN_OUTCOME, STOPPED. */
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
      const applied = await this.#deps.submit(encodeEnvelope(envelope), timeoutMs);
      return applied.result;
    } finally {
      this.#inFlight.delete(seq);
    }
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
