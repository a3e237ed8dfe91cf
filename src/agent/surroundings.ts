/**
 * What this agent sees around it, for survivor mode: who was heard when, whether its network has a carrier, and the
 * settings. Somebody counts as heard only when this process itself had an answer of it, once at least: hearsay about a
 * member that died before this process began must not make it a witness.
 */
import os from "node:os";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { Background } from "../base/background.ts";
import { type Clock, delay, untilBeat } from "../base/clock.ts";
import { type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type Service } from "../base/service.ts";
import { type Surroundings } from "../consensus/lineage-driver/ports.ts";
import { type GossipNode } from "../gossip/ports.ts";
import { defaultSurvivorSettings } from "../inventory/survivor-settings.ts";
import { type InventoryView } from "../inventory/view.ts";

export interface SurroundingsDeps {
  readonly self: PeerId;
  readonly view: InventoryView;
  readonly gossip: () => Pick<GossipNode, "members" | "neighbours">;
  /** A leader with a quorum is in sight. */
  readonly hasLeader: () => boolean;
  /** Where this agent tells others to reach it, `host:port`. */
  readonly address: () => string;
  readonly holdIsOver: () => boolean;
  /** A member says that this agent was evicted. Whoever says so lives: this agent has outlived nobody. */
  readonly isDoubted: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

const carrierPeriodMs = 2000;

export class SurroundingsWatch implements Service {
  readonly name = "surroundings";
  readonly #deps: SurroundingsDeps;
  readonly #background: Background;
  readonly #bornAt: number;
  readonly #heardAt = new Map<PeerId, number>();
  #hasCarrier = true;

  constructor(deps: SurroundingsDeps) {
    this.#deps = deps;
    this.#background = new Background(deps.logger);
    this.#bornAt = deps.clock.monotonicMs();
  }

  start(): Promise<void> {
    this.#background.run("network carrier", async (signal) => {
      for (;;) {
        try {
          this.#hasCarrier = isLoopback(this.#deps.address()) || (await anyCarrier());
        } catch {
          this.#hasCarrier = true; // the system does not say: this is not what survivor mode may fail for
        }
        const { clock } = this.#deps;
        await delay(clock, untilBeat(clock, carrierPeriodMs), signal);
      }
    });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return this.#background.close();
  }

  /** A member answered, or asked something. */
  readonly heard = (from: PeerId): void => {
    if (from !== this.#deps.self) this.#heardAt.set(from, this.#deps.clock.monotonicMs());
  };

  readonly now = (): Surroundings => {
    const { self, view, gossip, clock } = this.#deps;
    const now = clock.monotonicMs();
    // In a large cluster who is no neighbour is heard through others. Without a leader everybody is asked directly.
    const takesHearsay = this.#deps.hasLeader();
    for (const { id, status, rttMs } of gossip().members()) {
      if (id === self || status !== "alive") continue;
      const wasHeard = rttMs !== null || (takesHearsay && this.#heardAt.has(id));
      if (wasHeard) this.#heardAt.set(id, now);
    }
    const { survivor = defaultSurvivorSettings } = view.settings().settings;
    const admitted = view.members().filter(({ status }) => status === "admitted");
    return {
      admitted: admitted.map(({ id }) => id),
      neighbours: gossip().neighbours(),
      heardMs: new Map([...this.#heardAt].map(([id, at]) => [id, now - at])),
      storageOk: true,
      holdIsOver: this.#deps.holdIsOver(),
      hasCarrier: this.#hasCarrier,
      upMs: now - this.#bornAt,
      settings: {
        policy: survivor.auto,
        timers: { silenceMs: survivor.silenceMs, coldMs: survivor.coldMs },
        hold: survivor.hold || this.#deps.isDoubted(),
        fence: survivor.fence !== null,
      },
    };
  };
}

function isLoopback(address: string): boolean {
  return /^(127\.|\[?::1\]?:|localhost:)/.test(address);
}

/** True as well where interfaces do not say (containers without /sys). */
async function anyCarrier(): Promise<boolean> {
  const names = Object.entries(os.networkInterfaces())
    .filter(([, addresses]) => addresses?.some(({ internal }) => !internal) === true)
    .map(([name]) => name);
  const carriers = await Promise.all(
    names.map((name) =>
      readFile(path.join("/sys/class/net", name, "carrier"), "utf8").catch(() => "1"),
    ),
  );
  return carriers.some((carrier) => carrier.trim() === "1");
}
