/**
 * Keeps the connections up that others of this agent need: dials again when one is lost, and tests those that
 * may be dead. A test is a stream that the other end must negotiate; it also keeps a quiet socket alive.
 */
import { type Connection } from "@libp2p/interface";
import { Background } from "../base/background.ts";
import { type Clock } from "../base/clock.ts";
import { AgentError, errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type Random } from "../base/random.ts";
import { type Slowness } from "../base/slowness.ts";
import { type ConnectionTable } from "./connections.ts";
import { withDeadline } from "./deadline.ts";
import { type Dialer } from "./dialer.ts";
import { P2pCode } from "./errors.ts";
import { Protocol } from "./protocols.ts";

export interface KeeperDependencies {
  readonly self: PeerId;
  readonly table: ConnectionTable;
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly slowness: Pick<Slowness, "factor">;
}

/** The peer with the larger id lets the other dial first, so that most pairs have one connection. */
const courtesyMs = 1000;
const testMs = 5_000;

export class ConnectionKeeper {
  readonly #deps: KeeperDependencies;
  readonly #background: Background;
  readonly #wanted = new Map<string, ReadonlySet<PeerId>>();
  readonly #tended = new Set<PeerId>();
  readonly #testing = new Set<Connection>();
  #running = false;
  #cancelRound: () => void = () => {};

  constructor(deps: KeeperDependencies) {
    this.#deps = deps;
    this.#background = new Background(deps.logger);
  }

  /** @param periodMs how often all kept connections are tested. */
  start(periodMs: number): void {
    this.#running = true;
    this.#arm(periodMs);
    for (const peers of this.#wanted.values()) for (const peer of peers) this.#tend(peer, 0);
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#cancelRound();
    await this.#background.close();
  }

  /** Replaces what `owner` asked for before. */
  keep(owner: string, peers: readonly PeerId[]): void {
    const others = peers.filter((peer) => peer !== this.#deps.self);
    const added = others.filter((peer) => !this.keeps(peer));
    this.#wanted.set(owner, new Set(others));
    for (const peer of added) this.#tend(peer, peer < this.#deps.self ? courtesyMs : 0);
  }

  keeps(peer: PeerId): boolean {
    for (const peers of this.#wanted.values()) if (peers.has(peer)) return true;
    return false;
  }

  /** The last connection of `peer` is gone. */
  lost(peer: PeerId): void {
    if (this.keeps(peer)) this.#tend(peer, 0);
  }

  /** Aborts those of `connections` whose other end does not answer. */
  test(connections: readonly Connection[]): void {
    for (const connection of connections) {
      if (this.#testing.has(connection)) continue;
      this.#testing.add(connection);
      this.#background.run("test connection", (signal) =>
        this.#testOne(connection, signal).finally(() => this.#testing.delete(connection)),
      );
    }
  }

  /** Dials until the peer is connected or not wanted any more; the dialer paces the attempts. */
  #tend(peer: PeerId, graceMs: number): void {
    if (!this.#running || this.#tended.has(peer) || this.#isConnected(peer)) return;
    this.#tended.add(peer);
    this.#background.run(`keep ${peer}`, async (signal) => {
      try {
        if (graceMs > 0) await this.#pause(graceMs, signal);
        while (!signal.aborted && this.keeps(peer) && !this.#isConnected(peer)) {
          await this.#deps.dialer.dial(peer, signal).catch(() => {
            // The dialer reports failures and waits between attempts; this loop only decides to go on.
          });
        }
      } finally {
        this.#tended.delete(peer);
      }
    });
  }

  async #testOne(connection: Connection, stop: AbortSignal): Promise<void> {
    const { clock, slowness } = this.#deps;
    const limit = { clock, ms: testMs * slowness.factor, signal: stop };
    try {
      await withDeadline(limit, async (signal) => {
        const stream = await connection.newStream(Protocol.ping, { signal });
        await stream.close({ signal });
      });
    } catch (error) {
      if (stop.aborted) return;
      const text = `The peer did not answer: ${errorMessage(error)}`;
      this.#deps.table.abort(connection, new AgentError(P2pCode.peerLost, text));
    }
  }

  #arm(periodMs: number): void {
    const jittered = periodMs * (0.9 + this.#deps.random.float() / 10);
    this.#cancelRound = this.#deps.clock.setTimer(jittered, () => {
      const kept = this.#deps.table.list().filter(({ peer }) => this.keeps(peer));
      this.test(kept.map(({ entry }) => entry.connection));
      this.#arm(periodMs);
    });
  }

  #isConnected(peer: PeerId): boolean {
    return this.#deps.table.newest(peer) !== null;
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#deps.clock.setTimer(ms, resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    return promise.finally(cancel);
  }
}
