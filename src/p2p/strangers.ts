/**
 * Inbound connections of peers that are no members: few, and only for as long as a join takes. A stranger that
 * was admitted in time stays; all others are closed. An evicted peer is one of them: it may ask what became of it.
 * But evicted peers get a share of the places only: those of an earlier version never learn, and come again for ever.
 */
import { type Connection } from "@libp2p/interface";
import { type Clock } from "../base/clock.ts";
import { asPeerId, type PeerId } from "../base/ids.ts";
import { type Admission } from "./ports.ts";

const evictedShare = 0.25;

export interface StrangersOptions {
  readonly maxCount: number;
  readonly graceMs: number;
}

export interface StrangersDependencies {
  readonly admission: Admission;
  readonly clock: Clock;
  readonly close: (connection: Connection) => void;
  /** One of a stranger is a member's now. */
  readonly admitted: (connection: Connection) => void;
  /** One of a stranger ended that was not admitted. */
  readonly inVain: (connection: Connection) => void;
}

export class Strangers {
  readonly #options: StrangersOptions;
  readonly #deps: StrangersDependencies;
  readonly #watched = new Map<Connection, { readonly peer: PeerId; readonly cancel: () => void }>();
  #refused = 0;

  constructor(options: StrangersOptions, deps: StrangersDependencies) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Connections that were refused because too many strangers were here. */
  get refused(): number {
    return this.#refused;
  }

  /** True when `peer` must be turned away now. */
  refuses(peer: PeerId): boolean {
    if (this.#deps.admission.isMember(peer) || !this.#isFullFor(peer)) return false;
    this.#refused += 1;
    return true;
  }

  /** Gives an inbound connection of a stranger its time; one of a member is left alone, also if it was a stranger's. */
  watch(connection: Connection): void {
    const peer = asPeerId(connection.remotePeer.toString());
    if (this.#deps.admission.isMember(peer)) {
      if (this.#watched.has(connection)) this.#deps.admitted(connection);
      this.#forget(connection);
      return;
    }
    if (connection.direction !== "inbound" || this.#watched.has(connection)) return;
    const cancel = this.#deps.clock.setTimer(this.#options.graceMs, () => {
      if (this.#deps.admission.isMember(peer)) this.#forget(connection);
      else this.#deps.close(connection);
    });
    this.#watched.set(connection, { peer, cancel });
    connection.addEventListener("close", () => {
      if (!this.#watched.has(connection)) return;
      this.#forget(connection);
      if (!this.#deps.admission.isMember(peer)) this.#deps.inVain(connection);
    });
  }

  isWatched(connection: Connection): boolean {
    return this.#watched.has(connection);
  }

  stop(): void {
    for (const connection of [...this.#watched.keys()]) this.#forget(connection);
  }

  #isFullFor(peer: PeerId): boolean {
    const { maxCount } = this.#options;
    const { admission } = this.#deps;
    if (this.#watched.size >= maxCount) return true;
    if (!admission.isEvicted(peer)) return false;
    const evicted = [...this.#watched.values()].filter((one) => admission.isEvicted(one.peer));
    return evicted.length >= Math.max(1, Math.floor(maxCount * evictedShare));
  }

  #forget(connection: Connection): void {
    this.#watched.get(connection)?.cancel();
    this.#watched.delete(connection);
  }
}
