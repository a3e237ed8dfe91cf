/**
 * The leader's look at other agents' wall clocks: every request that is forwarded says when it was made. Nothing that
 * keeps the cluster safe goes by wall clocks, but tokens and remembered answers expire by the leader's, and whoever reads
 * events believes them.
 */
import { type Clock } from "../base/clock.ts";
import { type Logger } from "../base/logger.ts";
import { RateLimit } from "../gossip/driver/inbound-guard.ts";
import { decodeEnvelope, sentAt } from "../inventory/codec.ts";

export interface ClockSkewDeps {
  readonly clock: Pick<Clock, "wallMs" | "monotonicMs">;
  readonly logger: Pick<Logger, "warn">;
}

/** Longer than any request is on its way. */
const toleratedMs = 60_000;
const logMs = 600_000;

export class ClockSkew {
  readonly #deps: ClockSkewDeps;
  readonly #log = new RateLimit({ periodMs: logMs });

  constructor(deps: ClockSkewDeps) {
    this.#deps = deps;
  }

  /** Looks at a request as it arrives. Says at most once in ten minutes that a clock is wrong. */
  note(request: Uint8Array): void {
    const { clock, logger } = this.#deps;
    const aheadMs = Math.round((sentAt(request) ?? NaN) - clock.wallMs());
    if (!(Math.abs(aheadMs) > toleratedMs)) return;
    const count = this.#log.take(clock.monotonicMs());
    if (count === 0) return;
    const decoded = decodeEnvelope(request);
    const agent = decoded.ok ? (decoded.envelope.origin?.agent ?? null) : null;
    const text =
      "the clock of an agent is not this leader's: tokens and Idempotency-Keys expire by the leader's; look after time on both hosts";
    logger.warn({ agent, aheadMs, count }, text);
  }
}
