/**
 * Closes connections that nobody uses: this agent does not keep them up, and for a while no stream was open on them.
 * Else every question that was ever asked would leave a connection behind, and a large cluster end as a full mesh.
 * Whether the other side keeps it need not be asked: then it has streams on it.
 */
import { type Connection } from "@libp2p/interface";
import { type Clock, untilBeat } from "../base/clock.ts";
import { type PeerId } from "../base/ids.ts";
import { type Slowness } from "../base/slowness.ts";
import { type ConnectionTable } from "./connections.ts";

export interface IdleDependencies {
  readonly table: Pick<ConnectionTable, "list" | "newest" | "release">;
  /** Some part of this agent wants the peer connected. */
  readonly keeps: (peer: PeerId) => boolean;
  /** It has a time of its own here. */
  readonly isStranger: (connection: Connection) => boolean;
  /** Owners of streams close those that were not used for so long. */
  readonly rest: (unusedMs: number) => void;
  readonly clock: Clock;
  readonly slowness: Pick<Slowness, "factor">;
}

/** Longer than most who ask again and again wait in between. */
const restPeriods = 1.5;

export class IdleConnections {
  readonly #deps: IdleDependencies;
  /** Those that had no stream at the last look, and since when. */
  #idleSince = new Map<Connection, number>();
  #cancel: () => void = () => {};

  constructor(deps: IdleDependencies) {
    this.#deps = deps;
  }

  /** @param periodMs between two looks; a connection goes at the first one that finds it idle for as long. */
  start(periodMs: number): void {
    const { clock, slowness } = this.#deps;
    const { ms, earlyMs } = untilBeat(clock, periodMs);
    const look = (): void => {
      // Where handshakes are slow, whoever asks again and again waits longer in between.
      this.#look(periodMs * slowness.factor);
      this.start(periodMs);
    };
    this.#cancel = clock.setTimer(ms, look, earlyMs);
  }

  stop(): void {
    this.#cancel();
  }

  #look(leastMs: number): void {
    const { table, rest, clock } = this.#deps;
    rest(leastMs * restPeriods);
    const now = clock.monotonicMs();
    const idle = new Map<Connection, number>();
    for (const { peer, entry } of table.list()) {
      const { connection } = entry;
      if (connection.streams.length > 0 || this.#isSpared(peer, connection)) continue;
      const since = this.#idleSince.get(connection) ?? now;
      // A timer may be a little early.
      if (now - since >= leastMs * 0.75) table.release(connection);
      else idle.set(connection, since);
    }
    this.#idleSince = idle;
  }

  /** Of two that were dialed at once, one is enough. */
  #isSpared(peer: PeerId, connection: Connection): boolean {
    const { table, keeps, isStranger } = this.#deps;
    return isStranger(connection) || (keeps(peer) && table.newest(peer) === connection);
  }
}
