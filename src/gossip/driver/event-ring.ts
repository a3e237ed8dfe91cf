/**
 * The last user events that this agent heard, for those who ask later or follow: gossip tells each one once, and
 * keeps none for readers. Positions count what this agent heard in this life, as Lamport times arrive out of order.
 */
import { type Clock } from "../../base/clock.ts";
import { newId, type PeerId } from "../../base/ids.ts";
import { gossipError } from "../errors.ts";
import { type GossipNode, type UserEvent } from "../ports.ts";

export interface HeardEvent extends UserEvent {
  /** 1 for the first one of this life of the agent, and so on without a gap. */
  readonly seq: number;
  /** When it was heard here, by this agent's clock, milliseconds since the epoch. */
  readonly at: number;
}

export interface EventRingDeps {
  readonly self: PeerId;
  readonly gossip: Pick<GossipNode, "userEvent" | "onUserEvent">;
  readonly clock: Clock;
}

/** As many as gossip itself remembers to tell news from repeats; half a MiB at most. */
export const heardMax = 512;
/** A busy event loop hands an event over one turn later; what is not heard by then was refused there. */
const ownEventMs = 2000;

export class EventRing {
  /** Positions of an earlier life of this agent, or of another agent, mean nothing here. */
  readonly life: string;
  readonly #deps: EventRingDeps;
  readonly #heard: HeardEvent[] = [];
  readonly #listeners = new Set<(event: HeardEvent) => void>();
  #last = 0;

  constructor(deps: EventRingDeps) {
    this.#deps = deps;
    this.life = newId(deps.clock.wallMs());
    deps.gossip.onUserEvent((event) => this.#take(event));
  }

  /** The oldest that is kept; one more than the last when none is. */
  get first(): number {
    return this.#last - this.#heard.length + 1;
  }

  /** Those heard after number `seq`, as they came. */
  after(seq: number): readonly HeardEvent[] {
    return this.#heard.slice(Math.max(0, seq - this.first + 1));
  }

  onHeard(listener: (event: HeardEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Tells all members; resolves with the event once this agent has it too.
   * @throws AgentError GOSSIP_EVENT_INVALID, GOSSIP_EVENT_TOO_LARGE, GOSSIP_EVENT_REFUSED, GOSSIP_NOT_RUNNING
   */
  async tell(name: string, payload: Uint8Array): Promise<HeardEvent> {
    const { self, gossip, clock } = this.#deps;
    const { promise, resolve } = Promise.withResolvers<HeardEvent | null>();
    const bytes = Buffer.from(payload);
    const unsubscribe = this.onHeard((event) => {
      const { origin } = event;
      if (origin === self && event.name === name && bytes.equals(event.payload)) resolve(event);
    });
    const cancel = clock.setTimer(ownEventMs, () => resolve(null));
    try {
      gossip.userEvent(name, payload);
      const event = await promise;
      if (event !== null) return event;
    } finally {
      cancel();
      unsubscribe();
    }
    const message = `Cannot tell event "${name}": this agent is too busy; try again`;
    throw gossipError("GOSSIP_EVENT_REFUSED", message);
  }

  #take(event: UserEvent): void {
    this.#last += 1;
    const heard = { ...event, seq: this.#last, at: this.#deps.clock.wallMs() };
    this.#heard.push(heard);
    if (this.#heard.length > heardMax) this.#heard.shift();
    for (const listener of [...this.#listeners]) listener(heard);
  }
}
