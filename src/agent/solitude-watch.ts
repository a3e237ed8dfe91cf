/**
 * Says in the log when this agent can reach no other member for a while. What is done about it is peer-search.ts;
 * whether the others evicted it is asked by eviction-inquiry.ts.
 */
import { Background } from "../base/background.ts";
import { type Clock, delay } from "../base/clock.ts";
import { type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type Service } from "../base/service.ts";
import { type GossipNode } from "../gossip/ports.ts";
import { type InventoryView } from "../inventory/view.ts";

export interface SolitudeWatchDeps {
  readonly self: PeerId;
  readonly view: InventoryView;
  readonly gossip: Pick<GossipNode, "members">;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface SolitudeWatchOptions {
  readonly periodMs: number;
  /** Where this agent looks for others; may be empty. */
  readonly seeds: readonly string[];
}

/** The message comes again after this many checks. */
const checksBetweenMessages = 20;

export class SolitudeWatch implements Service {
  readonly name = "solitude-watch";
  readonly #options: SolitudeWatchOptions;
  readonly #deps: SolitudeWatchDeps;
  readonly #background: Background;

  constructor(options: SolitudeWatchOptions, deps: SolitudeWatchDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#background = new Background(deps.logger);
  }

  start(): Promise<void> {
    const { clock } = this.#deps;
    this.#background.run("solitude", async (signal) => {
      let alone = 0;
      for (;;) {
        await delay(clock, this.#options.periodMs, signal);
        alone = this.#isAlone() ? alone + 1 : 0;
        if (alone % checksBetweenMessages === 1) this.#complain();
      }
    });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return this.#background.close();
  }

  #complain(): void {
    this.#deps.logger.warn(
      { members: this.#others(), seeds: this.#options.seeds },
      "no other member can be reached: the network is cut, all of them are down, or they have new addresses (give one with --join HOST:PORT)",
    );
  }

  #isAlone(): boolean {
    const { self, gossip } = this.#deps;
    const isCompany = gossip
      .members()
      .some((member) => member.id !== self && member.status === "alive");
    return this.#others() > 0 && !isCompany;
  }

  /** Admitted members besides this one, by this replica. */
  #others(): number {
    const { self, view } = this.#deps;
    return view.members().filter(({ id, status }) => id !== self && status === "admitted").length;
  }
}
