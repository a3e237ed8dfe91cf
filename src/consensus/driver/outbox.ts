/**
 * Messages of one turn, collected per peer and sent together: one frame instead of many. An append without entries
 * only tells how far the log is committed; the next one with entries tells it as well, so that it waits for that a
 * little while: under load it is never sent, and saves a frame and its answer per write and peer.
 */
import { type Index, type Message, type NodeId } from "../core/types.ts";
import { type RaftTransport } from "./ports.ts";

type Append = Extract<Message, { readonly type: "Append" }>;

export class Outbox {
  readonly #transport: RaftTransport;
  readonly #byPeer = new Map<NodeId, Message[]>();
  readonly #held = new Map<NodeId, Append>();
  #heldSinceMs = 0;
  /** Commit index that each peer was told last. */
  readonly #told = new Map<NodeId, Index>();
  /** Somebody waits until this is known to be committed: news of it are not held. */
  #hastened: Index = 0;

  constructor(transport: RaftTransport) {
    this.#transport = transport;
  }

  add(message: Message, nowMs: number): void {
    if (message.type !== "Append") {
      // Who is told to stand is in a newer term next: what was held would be answered from there.
      if (message.type === "TimeoutNow") this.#held.delete(message.to);
      this.#push(message);
    } else if (message.entries.length > 0 || this.#isUrgent(message.to)) this.#append(message);
    else this.#hold(message, nowMs);
  }

  /** Since when news are held; null when there are none. */
  get heldSinceMs(): number | null {
    return this.#held.size === 0 ? null : this.#heldSinceMs;
  }

  /** Lets the next flush send what was held. */
  release(): void {
    for (const message of [...this.#held.values()]) this.#append(message);
  }

  /** The same for peers that do not know yet that `index` is committed, now or as soon as there are news for them. */
  hasten(index: Index): void {
    this.#hastened = Math.max(this.#hastened, index);
    for (const message of [...this.#held.values()]) {
      if (this.#isUrgent(message.to)) this.#append(message);
    }
  }

  /** Sends all but what is held; returns how many messages there were. `refused` hears of peers that take no more. */
  flush(refused: (peer: NodeId) => void): number {
    if (this.#byPeer.size === 0) return 0;
    let count = 0;
    const all = [...this.#byPeer];
    this.#byPeer.clear();
    for (const [peer, messages] of all) {
      count += messages.length;
      if (!this.#transport.send(peer, messages)) refused(peer);
    }
    return count;
  }

  clear(): void {
    this.#byPeer.clear();
    this.#held.clear();
  }

  #push(message: Message): void {
    const messages = this.#byPeer.get(message.to);
    if (messages === undefined) this.#byPeer.set(message.to, [message]);
    else messages.push(message);
  }

  #append(message: Append): void {
    this.#held.delete(message.to);
    this.#told.set(message.to, message.commit);
    this.#push(message);
  }

  #hold(message: Append, nowMs: number): void {
    if (this.#held.size === 0) this.#heldSinceMs = nowMs;
    this.#held.set(message.to, message);
  }

  #isUrgent(peer: NodeId): boolean {
    return (this.#told.get(peer) ?? 0) < this.#hastened;
  }
}
