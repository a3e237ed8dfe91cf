/**
 * Finds other members when this agent knows too few that are up: from its start on, beside what gossip does with
 * addresses remembered from before, and whenever it is alone again. Where all members moved while they were down, no
 * remembered address is true; seeds, read anew from DNS, and discovery say where somebody is now. Whoever answers
 * proves its identity, and one member is enough for gossip to tell of all others; three are wanted, lest two agents
 * that found only each other call that a cluster.
 */
import { Background } from "../base/background.ts";
import { type Clock, delay } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type Random } from "../base/random.ts";
import { type Service } from "../base/service.ts";
import { type GossipNode, type MemberView } from "../gossip/ports.ts";
import { type InventoryView } from "../inventory/view.ts";
import { formatHostPort, type HostPort } from "../p2p/address.ts";
import { type Hints } from "../p2p/join-client.ts";
import { type Resolver, resolveSeeds } from "../p2p/seeds.ts";

export interface PeerSearchOptions {
  /** `HOST:PORT` or `srv:NAME` each; may be empty. */
  readonly seeds: readonly string[];
  /** How often to look whether the search has to begin again. */
  readonly periodMs: number;
  readonly minRetryMs: number;
  readonly maxRetryMs: number;
}

export interface PeerSearchDeps {
  readonly self: PeerId;
  readonly view: InventoryView;
  readonly gossip: Pick<GossipNode, "members" | "contact">;
  readonly resolver: Resolver;
  /** Null without `--discover`. */
  readonly discovery: (Hints & { search(on: boolean): void }) | null;
  /** Connects to whoever listens there and says who it is. */
  readonly dial: (address: HostPort, signal: AbortSignal) => Promise<PeerId>;
  readonly isMember: (peer: PeerId) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const enough = 3;
const parallel = 8;
/** However many addresses DNS and discovery come up with, a round ends. */
const maxPerRound = 64;

export class PeerSearch implements Service {
  readonly name = "peer-search";
  readonly #options: PeerSearchOptions;
  readonly #deps: PeerSearchDeps;
  readonly #background: Background;

  constructor(options: PeerSearchOptions, deps: PeerSearchDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#background = new Background(deps.logger);
  }

  start(): Promise<void> {
    this.#background.run("peer search", (signal) => this.#run(signal));
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return this.#background.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random, discovery } = this.#deps;
    const { periodMs, minRetryMs, maxRetryMs } = this.#options;
    let stepMs = minRetryMs;
    for (;;) {
      const isLacking = this.#isLacking();
      discovery?.search(isLacking);
      if (!isLacking) {
        stepMs = minRetryMs;
        await delay(clock, periodMs, signal);
        continue;
      }
      await this.#round(signal);
      await this.#pause(stepMs * (0.5 + random.float() / 2), signal);
      stepMs = Math.min(maxRetryMs, stepMs * 2);
    }
  }

  /** Fewer members are up than are wanted, and there are more by the inventory. */
  #isLacking(): boolean {
    const { self, view } = this.#deps;
    const others = view.members().filter(({ id, status }) => id !== self && status === "admitted");
    const up = this.#up().filter(({ id }) => id !== self);
    return up.length < Math.min(enough, others.length);
  }

  #up(): readonly MemberView[] {
    return this.#deps.gossip.members().filter(({ status }) => status === "alive");
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { discovery, logger } = this.#deps;
    const { addresses, failures } = await resolveSeeds(this.#options.seeds, this.#deps, signal);
    for (const { seed, error } of failures) {
      logger.debug({ seed, error: errorMessage(error) }, "a seed does not resolve");
    }
    const up = new Set(this.#up().map(({ address }) => address));
    const queue = [...addresses, ...(discovery?.addresses() ?? [])]
      .filter((address) => !up.has(formatHostPort(address)))
      .slice(0, maxPerRound);
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        if (!this.#isLacking()) return;
        await this.#try(next, signal);
      }
    };
    await Promise.all(Array.from({ length: Math.min(parallel, queue.length) }, work));
  }

  async #try(address: HostPort, signal: AbortSignal): Promise<void> {
    const { dial, isMember, gossip, logger } = this.#deps;
    const text = formatHostPort(address);
    try {
      const id = await dial(address, signal);
      if (isMember(id)) gossip.contact([{ id, address: text }]);
    } catch (error) {
      signal.throwIfAborted();
      logger.debug({ address: text, error: errorMessage(error) }, "nobody answers at an address");
    }
  }

  /** News from discovery ends the pause. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const news = new AbortController();
    const unsubscribe = this.#deps.discovery?.onFound(() => news.abort());
    try {
      await delay(this.#deps.clock, ms, AbortSignal.any([signal, news.signal]));
    } catch {
      signal.throwIfAborted();
    } finally {
      unsubscribe?.();
    }
  }
}
