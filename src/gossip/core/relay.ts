/**
 * Probes on behalf of others. A relay that hears nothing from the target says nack at 80 % of the timeout
 * (Lifeguard §IV-A), so that the origin can tell a silent target from its own deafness. One asks others when a lane
 * brings no answers, so all of it goes over both.
 */
import { type Counters } from "./counters.ts";
import { type FrameBuilder } from "./frame-builder.ts";
import { type Sequence } from "./sequence.ts";
import { type Ix, type Turn } from "./types.ts";

interface Relayed {
  readonly origin: Ix;
  readonly originSeq: number;
  readonly expiresAt: number;
  nackAt: number;
}

export interface RelayOptions {
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
}

export interface RelayDependencies {
  readonly frames: FrameBuilder;
  readonly sequence: Sequence;
  readonly counters: Counters;
}

const relayedMax = 256;
const nackShare = 0.8;

export class Relay {
  readonly #options: RelayOptions;
  readonly #frames: FrameBuilder;
  readonly #sequence: Sequence;
  readonly #counters: Counters;
  readonly #relayed = new Map<number, Relayed>();

  constructor(options: RelayOptions, dependencies: RelayDependencies) {
    this.#options = options;
    this.#frames = dependencies.frames;
    this.#sequence = dependencies.sequence;
    this.#counters = dependencies.counters;
  }

  get nextDeadline(): number {
    if (this.#relayed.size === 0) return Infinity;
    let earliest = Infinity;
    for (const relayed of this.#relayed.values()) {
      earliest = Math.min(earliest, relayed.nackAt, relayed.expiresAt);
    }
    return earliest;
  }

  /** Probes `target` for `origin`. Beyond the limit the origin gets no answer, and asks others next time. */
  request(turn: Turn, origin: Ix, wanted: { readonly seq: number; readonly target: Ix }): void {
    if (this.#relayed.size >= relayedMax || this.#isRelayed(origin, wanted.seq)) return;
    this.#counters.add("indirectServed");
    const seq = this.#sequence.next();
    this.#relayed.set(seq, {
      origin,
      originSeq: wanted.seq,
      nackAt: turn.now + nackShare * this.#options.probeTimeoutMs,
      expiresAt: turn.now + this.#options.probeIntervalMs,
    });
    const ping = { kind: "ping", seq, target: wanted.target } as const;
    turn.out.frame(wanted.target, this.#frames.build(ping), "both");
  }

  /** An ack that arrives after the nack is still worth forwarding. */
  ack(turn: Turn, seq: number): void {
    const relayed = this.#relayed.get(seq);
    if (relayed === undefined) return;
    this.#relayed.delete(seq);
    const ack = { kind: "ack", seq: relayed.originSeq } as const;
    turn.out.frame(relayed.origin, this.#frames.build(ack), "both");
  }

  tick(turn: Turn): void {
    if (this.#relayed.size === 0) return;
    for (const [seq, relayed] of this.#relayed) {
      if (turn.now >= relayed.nackAt) {
        relayed.nackAt = Infinity;
        const nack = { kind: "nack", seq: relayed.originSeq } as const;
        turn.out.frame(relayed.origin, this.#frames.build(nack), "both");
      }
      if (turn.now >= relayed.expiresAt) this.#relayed.delete(seq);
    }
  }

  /** It was asked on both lanes. */
  #isRelayed(origin: Ix, seq: number): boolean {
    for (const relayed of this.#relayed.values()) {
      if (relayed.origin === origin && relayed.originSeq === seq) return true;
    }
    return false;
  }
}
