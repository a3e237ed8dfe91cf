/**
 * An agent whose end was attested asks everybody who was told: did you go on without me? Only when all of them say no,
 * and so cannot any more, does it take part again in its old generation. When one did, it waits until the new
 * generation is adopted. It may go on in a generation of its own, and in the old one never: when that is not adopted in
 * the time of a silence (it holds what those lack, and wins over them); when nobody answers for as long as an agent
 * waits that comes back alone; or when the operator says so.
 */
import { Background } from "../../base/background.ts";
import { type Clock, delay } from "../../base/clock.ts";
import { errorCode, errorMessage } from "../../base/errors.ts";
import { type Logger } from "../../base/logger.ts";
import { type Service } from "../../base/service.ts";
import { currentGeneration } from "../../consensus/lineage/generation.ts";
import { type Lineage } from "../../consensus/lineage/types.ts";
import { type ConsensusNode } from "../../consensus/driver/api.ts";
import { type LineagePeers, type SettledExit } from "../../consensus/lineage/ports.ts";
import { type ExitHold } from "./exit-hold.ts";

export interface HoldKeeperDeps {
  readonly hold: Pick<ExitHold, "statements" | "settle" | "clear">;
  readonly node: Pick<ConsensusNode<unknown>, "lineage" | "release">;
  readonly settleExit: LineagePeers["settleExit"];
  /** How long an agent waits that comes back alone, ms. */
  readonly coldMs: () => number;
  /** How long it waits for those who are silent, ms. */
  readonly silenceMs: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const periodMs = 250;

export class HoldKeeper implements Service {
  readonly name = "hold-keeper";
  readonly #deps: HoldKeeperDeps;
  readonly #background: Background;
  #heardMs: number;
  /** Since when all whose statements are left say, each time they are asked, that they went on without it. */
  #usedSince: number | null = null;
  #givenUp = false;

  constructor(deps: HoldKeeperDeps) {
    this.#deps = deps;
    this.#background = new Background(deps.logger);
    this.#heardMs = deps.clock.monotonicMs();
  }

  start(): Promise<void> {
    const { hold, node, logger } = this.#deps;
    if (hold.statements.length === 0) return Promise.resolve();
    const told = hold.statements.map(({ asker }) => asker);
    logger.warn({ told }, "held: the end of this agent was attested to others; asking them first");
    const before = node.lineage();
    this.#background.run("hold", (signal) => this.#settle(before, signal));
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return this.#background.close();
  }

  /** May this agent leave its generation for one of its own, though somebody may have gone on without it? */
  isOver(): boolean {
    const { clock, coldMs, silenceMs } = this.#deps;
    const now = clock.monotonicMs();
    if (this.#givenUp || now - this.#heardMs >= coldMs()) return true;
    return this.#usedSince !== null && now - this.#usedSince >= silenceMs();
  }

  /** The operator decided. */
  giveUp(): void {
    this.#givenUp = true;
  }

  async #settle(before: Lineage, signal: AbortSignal): Promise<void> {
    const { hold, node, clock, logger } = this.#deps;
    const generation = currentGeneration(before).id;
    while (hold.statements.length > 0) {
      try {
        if (hasLeft(before, node.lineage())) await hold.clear();
      } catch (error) {
        logger.error({ error: errorMessage(error) }, "the hold could not be lifted yet");
      }
      let isKnown = true;
      for (const { nonce, asker } of hold.statements) {
        const wasUsed = await this.#wasUsed(asker, { nonce, generation });
        isKnown &&= wasUsed;
      }
      this.#usedSince = isKnown ? (this.#usedSince ?? clock.monotonicMs()) : null;
      if (hold.statements.length > 0) await delay(clock, periodMs, signal);
    }
    await node.release();
    logger.info({}, "no longer held");
  }

  /** False when it was settled, or the asker does not answer: then its side may be alone, and is waited for longer. */
  async #wasUsed(asker: string, exit: SettledExit): Promise<boolean> {
    const { hold, settleExit, clock, logger } = this.#deps;
    try {
      const verdict = await settleExit(asker, exit);
      // Who went on without it need not be waited for; but this agent may hold what that side lacks, and win over it.
      if (verdict === "used") return true;
      this.#heardMs = clock.monotonicMs();
      await hold.settle(exit.nonce);
    } catch (error) {
      if (errorCode(error) === "BUSY") this.#heardMs = clock.monotonicMs();
      logger.debug({ asker, error: errorMessage(error) }, "who was told does not answer yet");
    }
    return false;
  }
}

/** It entered another generation, or started over in its own: what it says there is said by a new log. */
function hasLeft(before: Lineage, now: Lineage): boolean {
  if (currentGeneration(now).id !== currentGeneration(before).id) return true;
  const { voteFrom } = now;
  if (voteFrom === null) return false;
  return voteFrom.index !== before.voteFrom?.index || voteFrom.term !== before.voteFrom.term;
}
