/**
 * The open connections, several per peer when both sides dialed at once. A peer counts as gone only with its
 * last one. A new connection puts older ones of the same peer to the test, as a peer that rebooted leaves dead
 * ones behind that the kernel would keep for a quarter of an hour.
 */
import { type Connection, type StreamCloseEvent } from "@libp2p/interface";
import { type Clock, unlessAborted } from "../base/clock.ts";
import { AgentError, errorCode, errorMessage } from "../base/errors.ts";
import { asPeerId, type PeerId } from "../base/ids.ts";
import { withDeadline } from "./deadline.ts";
import { P2pCode } from "./errors.ts";

/** Why the last connection of a peer is gone: its side closed it, or nothing but silence told so. */
export type Ending = "closed" | "timeout";

export interface ConnectionEvents {
  opened(peer: PeerId, connection: Connection): void;
  /** Another connection of a connected peer opened; `older` may be dead. */
  doubled(older: readonly Connection[]): void;
  ended(peer: PeerId, ending: Ending): void;
}

export interface ConnectionInfo {
  readonly peer: PeerId;
  readonly remote: string;
  readonly direction: "inbound" | "outbound";
  readonly sinceMs: number;
}

interface Entry {
  readonly connection: Connection;
  readonly sinceMs: number;
  /** Set when this side ends the connection: no evidence about the peer. */
  ours: boolean;
}

/** What is closed in order gets so long before it is closed at once. */
const releaseMs = 2_000;
const silenceCodes = ["ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN"];

export class ConnectionTable {
  readonly #clock: Clock;
  readonly #events: ConnectionEvents;
  readonly #byPeer = new Map<PeerId, Entry[]>();

  constructor(clock: Clock, events: ConnectionEvents) {
    this.#clock = clock;
    this.#events = events;
  }

  add(connection: Connection): void {
    if (connection.status !== "open") return;
    const peer = asPeerId(connection.remotePeer.toString());
    const entries = this.#byPeer.get(peer) ?? [];
    const entry: Entry = { connection, sinceMs: this.#clock.monotonicMs(), ours: false };
    this.#byPeer.set(peer, [...entries, entry]);
    connection.addEventListener("close", (event) => this.#remove(peer, entry, event));
    this.#events.opened(peer, connection);
    if (entries.length > 0) this.#events.doubled(entries.map((older) => older.connection));
  }

  /** The newest open connection: the one whose other end surely knows of it. */
  newest(peer: PeerId): Connection | null {
    const entries = this.#byPeer.get(peer) ?? [];
    return entries.findLast((entry) => entry.connection.status === "open")?.connection ?? null;
  }

  peers(): readonly PeerId[] {
    return [...this.#byPeer.keys()];
  }

  get size(): number {
    let size = 0;
    for (const entries of this.#byPeer.values()) size += entries.length;
    return size;
  }

  list(): readonly { readonly peer: PeerId; readonly entry: Readonly<Entry> }[] {
    return [...this.#byPeer].flatMap(([peer, entries]) =>
      entries.map((entry) => ({ peer, entry })),
    );
  }

  /** Closes one connection from this side, at once. */
  abort(connection: Connection, reason: Error): void {
    this.#markOurs(connection);
    connection.abort(reason);
  }

  /** Closes one connection from this side, in order. */
  release(connection: Connection): void {
    this.#markOurs(connection);
    const limit = { clock: this.#clock, ms: releaseMs };
    void withDeadline(limit, (signal) => this.#close(connection, signal));
  }

  abortPeer(peer: PeerId, reason: Error): void {
    for (const entry of this.#byPeer.get(peer) ?? []) this.abort(entry.connection, reason);
  }

  /** Closes all connections in order, and those that do not within `graceMs` at once. */
  async closeAll(graceMs: number): Promise<void> {
    await withDeadline({ clock: this.#clock, ms: graceMs }, async (signal) => {
      const closing = this.list().map(({ entry }) => this.#close(entry.connection, signal));
      await Promise.all(closing);
    });
  }

  #markOurs(connection: Connection): void {
    const peer = asPeerId(connection.remotePeer.toString());
    for (const entry of this.#byPeer.get(peer) ?? []) {
      if (entry.connection === connection) entry.ours = true;
    }
  }

  async #close(connection: Connection, signal: AbortSignal): Promise<void> {
    try {
      await unlessAborted(connection.close({ signal }), signal);
    } catch (error) {
      const text = `The connection did not close in time: ${errorMessage(error)}`;
      this.abort(connection, new AgentError(P2pCode.hostStopped, text));
    }
  }

  #remove(peer: PeerId, entry: Entry, event: StreamCloseEvent): void {
    const rest = (this.#byPeer.get(peer) ?? []).filter((other) => other !== entry);
    if (rest.length > 0) {
      this.#byPeer.set(peer, rest);
      return;
    }
    if (!this.#byPeer.delete(peer)) return;
    const silent =
      event.error?.name === "TimeoutError" || silenceCodes.includes(errorCode(event.error) ?? "");
    this.#events.ended(peer, entry.ours || silent ? "timeout" : "closed");
  }
}
