/** Messages of one turn, collected per peer and sent together: one frame instead of many. */
import { type Message, type NodeId } from "../core/types.ts";
import { type RaftTransport } from "./ports.ts";

export class Outbox {
  readonly #transport: RaftTransport;
  readonly #byPeer = new Map<NodeId, Message[]>();

  constructor(transport: RaftTransport) {
    this.#transport = transport;
  }

  add(message: Message): void {
    const messages = this.#byPeer.get(message.to);
    if (messages === undefined) this.#byPeer.set(message.to, [message]);
    else messages.push(message);
  }

  /** Sends all; returns how many messages there were. `refused` hears of peers that take no more. */
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
  }
}
