/**
 * With a fence configured, both of two voters fence before they go on alone: otherwise the leader, cut off, could go
 * on by evicting its partner while that has it fenced, and what it acknowledged until then would be on a machine that
 * is off (consensus.md §2.4, F3). The leader asks first, so it has the head start.
 */
import { Background } from "../base/background.ts";
import { type Clock, delay, untilBeat } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type Logger } from "../base/logger.ts";
import { type Service } from "../base/service.ts";
import { voterIds } from "../consensus/core/configuration.ts";
import { type ConsensusNode } from "../consensus/driver/api.ts";
import { type Fencer } from "../consensus/lineage/ports.ts";

export interface PartnerFenceDeps {
  readonly self: string;
  readonly node: Pick<ConsensusNode<unknown>, "status">;
  readonly isConfigured: () => boolean;
  readonly fencer: Fencer;
  readonly clock: Clock;
  readonly logger: Logger;
}

const periodMs = 250;
/** No fence is configured: there is nothing to do until one is. */
const idleMs = 2000;
/** A fence that failed is tried again after this: a machine that answers no switch is not worth a storm. */
const retryMs = 5000;

export class PartnerFence implements Service {
  readonly name = "partner-fence";
  readonly #deps: PartnerFenceDeps;
  readonly #background: Background;
  /** Who is certainly off, until it is heard again. */
  #off: string | null = null;

  constructor(deps: PartnerFenceDeps) {
    this.#deps = deps;
    this.#background = new Background(deps.logger);
  }

  start(): Promise<void> {
    this.#background.run("partner fence", async (signal) => {
      for (;;) {
        const failed = await this.#look(signal);
        const pauseMs = this.#deps.isConfigured() ? periodMs : idleMs;
        const { clock } = this.#deps;
        await delay(clock, failed ? retryMs : untilBeat(clock, pauseMs), signal);
      }
    });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return this.#background.close();
  }

  /** May the leader evict its silent partner? Always without a fence; with one, when that has succeeded. */
  mayEvict(partner: string): boolean {
    return !this.#deps.isConfigured() || this.#off === partner;
  }

  /** True when a fence was tried and failed. */
  async #look(signal: AbortSignal): Promise<boolean> {
    const partner = this.#silentPartner();
    if (partner === null) this.#off = null;
    if (partner === null || partner === this.#off || !this.#deps.isConfigured()) return false;
    try {
      if (!(await this.#deps.fencer.fence(partner, signal))) return true;
      if (this.#silentPartner() === partner) this.#off = partner;
      return false;
    } catch (error) {
      this.#deps.logger.error({ error: errorMessage(error) }, "the fence could not be run");
      return true;
    }
  }

  /** The other of two voters, while this agent leads and does not hear it. */
  #silentPartner(): string | null {
    const { self, node } = this.#deps;
    const { role, quorumLost, effective } = node.status();
    const voters = voterIds(effective);
    if (role !== "leader" || !quorumLost || voters.length !== 2) return null;
    return voters.find((id) => id !== self) ?? null;
  }
}
