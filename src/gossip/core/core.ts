/**
 * SWIM with Lifeguard as a state machine: (time, input) → effects. No I/O, no clock, no chance of its own.
 * The host feeds inputs one at a time, arms one timer at `nextDeadline`, and carries the effects out.
 */
import { type Random } from "../../base/random.ts";
import { type GossipOptions } from "../options.ts";
import { type Convergence, type GossipHealth, type LaneName } from "../ports.ts";
import { AntiEntropy } from "./anti-entropy.ts";
import { Arrivals } from "./arrivals.ts";
import { Awareness } from "./awareness.ts";
import { BroadcastQueue } from "./broadcast-queue.ts";
import { Contacts } from "./contacts.ts";
import { Counters } from "./counters.ts";
import { type Directory } from "./directory.ts";
import { FrameBuilder } from "./frame-builder.ts";
import { Gossiper } from "./gossiper.ts";
import { Hearing } from "./hearing.ts";
import { LaneCheck } from "./lane-check.ts";
import { Membership } from "./membership.ts";
import { MemberTable } from "./member-table.ts";
import { Overlay } from "./overlay.ts";
import { PeerChoice } from "./peer-choice.ts";
import { Prober } from "./prober.ts";
import { Relay } from "./relay.ts";
import { SelfVoice } from "./self-voice.ts";
import { Sequence } from "./sequence.ts";
import { transmitLimit } from "./suspicion.ts";
import { Suspicions } from "./suspicions.ts";
import { Upkeep } from "./upkeep.ts";
import { UserEvents } from "./user-events.ts";
import {
  type Input,
  type Ix,
  type JoinPolicy,
  type Message,
  type Outbox,
  type RecordAuthority,
  type SelfRecord,
  Status,
  type StatusCode,
  type SyncAnswer,
  type SyncRequest,
  type Turn,
} from "./types.ts";

export interface CoreDependencies {
  readonly directory: Directory;
  readonly random: Random;
  readonly authority: RecordAuthority;
  readonly policy: JoinPolicy;
}

export interface CoreStart {
  readonly now: number;
  /** Index of this agent in the directory. */
  readonly self: Ix;
  /** The first record, with an incarnation above those of earlier lives. */
  readonly record: SelfRecord;
  /** The event clock of earlier lives: what is not above it was delivered. */
  readonly eventClock?: number;
  /** A view that is taken over without being spread: a cluster that starts as one, in simulations. */
  readonly view?: MemberTable;
}

export class GossipCore {
  readonly table: MemberTable;
  readonly counters = new Counters();
  readonly #options: GossipOptions;
  readonly #self: Ix;
  readonly #queue: BroadcastQueue;
  readonly #suspicions: Suspicions;
  readonly #awareness: Awareness;
  readonly #hearing: Hearing;
  readonly #overlay: Overlay;
  readonly #arrivals: Arrivals;
  readonly #voice: SelfVoice;
  readonly #membership: Membership;
  readonly #prober: Prober;
  readonly #laneCheck: LaneCheck;
  readonly #relay: Relay;
  readonly #gossiper: Gossiper;
  readonly #sync: AntiEntropy;
  readonly #contacts: Contacts;
  readonly #frames: FrameBuilder;
  readonly #upkeep: Upkeep;
  readonly #events: UserEvents;
  #farewellSpread = false;
  #wantedVersion = -1;

  constructor(options: GossipOptions, dependencies: CoreDependencies, start: CoreStart) {
    const { directory, random, authority, policy } = dependencies;
    const { now, self } = start;
    this.#options = options;
    this.#self = self;
    const table = new MemberTable(directory);
    this.table = table;
    this.#queue = new BroadcastQueue(self);
    this.#suspicions = new Suspicions(options);
    this.#awareness = new Awareness(options);
    this.#hearing = new Hearing(options, this.#awareness);
    this.#frames = new FrameBuilder(options, {
      queue: this.#queue,
      transmitLimit: () => transmitLimit(options.retransmitMult, table.upCount),
      finished: (members) => {
        if (this.#voice.isLeaving && members.includes(self)) this.#farewellSpread = true;
      },
    });
    this.#overlay = new Overlay(options, { self, directory, table });
    const peers = new PeerChoice(options, { self, table, overlay: this.#overlay, random });
    const shared = {
      ...{ self, directory, table, random, authority, policy, peers, frames: this.#frames },
      ...{ queue: this.#queue, overlay: this.#overlay, awareness: this.#awareness },
      ...{ suspicions: this.#suspicions, counters: this.counters, hearing: this.#hearing },
      sequence: new Sequence(random.below(0x1_0000_0000)),
      usualLane: (ix: Ix): LaneName => this.#usualLane(ix),
    };
    const lhaProbe = options.lifeguard.probe;
    this.#voice = new SelfVoice(start.record, { ...shared, lhaProbe }, now);
    const onStatus = this.#onStatus;
    const membership = new Membership(options, { ...shared, voice: this.#voice, onStatus });
    this.#membership = membership;
    this.#prober = new Prober(options, { ...shared, membership }, now);
    this.#arrivals = new Arrivals(options, { ...shared, prober: this.#prober }, now);
    this.#laneCheck = new LaneCheck(options, shared, now);
    this.#relay = new Relay(options, shared);
    this.#gossiper = new Gossiper(options, { ...shared, membership, voice: this.#voice }, now);
    this.#events = new UserEvents({ clock: start.eventClock ?? 0 }, { ...shared, membership });
    const told = { voice: this.#voice, events: this.#events };
    this.#sync = new AntiEntropy(options, { ...shared, ...told, membership }, now);
    this.#contacts = new Contacts(options, random);
    const duties = { ...shared, membership, voice: this.#voice, sync: this.#sync };
    this.#upkeep = new Upkeep(options, duties, now);
    if (start.view !== undefined) {
      table.adopt(start.view, self);
      this.#overlay.rebuild();
      this.#prober.rebuild();
    }
  }

  /** Handles `inputs`, then all timers that are due: what has arrived counts before what is late. */
  step(now: number, inputs: readonly Input[], out: Outbox): void {
    const turn = { now, out };
    for (const input of inputs) this.#handle(turn, input);
    this.#tick(turn);
  }

  /** Ends overdue suspicions, no more: what goes on where every send and receive blocks (Lifeguard §V-A). */
  expire(now: number, out: Outbox): void {
    this.#membership.expire({ now, out });
  }

  get nextExpiry(): number {
    return this.#suspicions.nextDeadline;
  }

  /** Answers a sync request of `from`. Timers are left to the next `step`. */
  answer(now: number, asked: { from: Ix; request: SyncRequest }, out: Outbox): SyncAnswer {
    const turn = { now, out };
    if (this.#membership.isEvicted(asked.from)) return { kind: "busy", records: [] };
    this.counters.hearing("stream");
    return this.#sync.answer(turn, asked.from, asked.request);
  }

  /** When `step` is to be called next at the latest. */
  nextDeadline(): number {
    return Math.min(
      this.#arrivals.nextDeadline,
      this.#prober.nextDeadline,
      this.#laneCheck.nextDeadline,
      this.#relay.nextDeadline,
      this.#gossiper.nextDeadline,
      this.#sync.nextDeadline,
      this.#contacts.nextDeadline,
      this.#suspicions.nextDeadline,
      this.#upkeep.nextDeadline,
    );
  }

  /** By how much `step` may be called before `nextDeadline`, and find something to do. */
  earlyMs(): number {
    return this.nextDeadline() === this.#prober.nextDeadline ? this.#prober.earlyMs : 0;
  }

  get incarnation(): number {
    return this.#voice.record.body.incarnation;
  }

  get neighbours(): readonly Ix[] {
    return this.#overlay.neighbours();
  }

  isEvicted(ix: Ix): boolean {
    return this.#membership.isEvicted(ix);
  }

  get eventClock(): number {
    return this.#events.clock;
  }

  convergence(now: number): Convergence {
    return this.#sync.convergence(now);
  }

  health(): GossipHealth {
    return {
      score: this.#awareness.score,
      degraded: this.#voice.record.body.degraded,
      queue: this.#queue.size,
      members: this.table.upCount,
    };
  }

  #handle(turn: Turn, input: Input): void {
    this.counters.hearing(input.kind === "frame" ? input.lane : "stream");
    switch (input.kind) {
      case "frame":
        if (this.#membership.isEvicted(input.from)) return;
        for (const message of input.frame) this.#receive(turn, input, message);
        return;
      case "syncAnswer":
        if (this.#sync.handle(turn, input.from, input.answer)) this.#contacts.remove(input.from);
        else if (input.answer.kind === "busy") this.#contacts.failed(input.from, turn.now);
        return;
      case "syncFailed":
        this.#sync.failed(input.from);
        this.#contacts.failed(input.from, turn.now);
        return;
      case "connection":
        this.#upkeep.connection(turn, input.peer, input.state);
        if (input.state === "closed" && this.table.isUp(input.peer)) {
          this.#prober.probeNow(turn, input.peer);
        }
        return;
      case "describe":
        this.#voice.say(turn, input.change);
        return;
      case "tell":
        this.#events.tell(turn, input.name, input.payload);
        return;
      case "contact":
        for (const ix of input.peers) this.#contact(turn, ix);
        return;
      case "compare":
        this.#sync.ask(turn);
        return;
      case "leave":
        this.#leave(turn);
        return;
      case "evict":
        this.#contacts.remove(input.member);
        this.#membership.evict(turn, input.member);
        return;
      case "loopLag":
      case "slowness":
        this.#upkeep.host(input);
        return;
    }
  }

  /** Who is up here is reached by gossip already. */
  #contact(turn: Turn, ix: Ix): void {
    if (ix === this.#self || this.table.isUp(ix) || this.#membership.isEvicted(ix)) return;
    this.#contacts.add(ix, turn.now);
  }

  #receive(turn: Turn, by: { readonly from: Ix; readonly lane: LaneName }, message: Message): void {
    const { from } = by;
    switch (message.kind) {
      case "ping":
        if (message.target === this.#self) this.#acknowledge(turn, by, message.seq);
        else this.counters.add("misdirected");
        return;
      case "ack":
        if (this.#prober.ack(turn, message.seq, by)) return;
        if (!this.#laneCheck.ack(turn, message.seq, by)) this.#relay.ack(turn, message.seq);
        return;
      case "event":
        this.#events.hear(turn, message.event, from);
        return;
      case "pingRequest":
        if (message.target >= 0 && message.target !== this.#self) {
          this.#relay.request(turn, from, message);
        }
        return;
      case "nack":
        this.#prober.nack(message.seq, from);
        return;
      case "alive":
        this.#membership.learn(turn, message.record, from);
        return;
      case "suspect":
      case "failed":
        this.#membership.accuse(turn, message);
        return;
    }
  }

  /** One who pings lives: if it counts as suspect or failed here, it hears so and can refute at once. */
  #acknowledge(turn: Turn, by: { from: Ix; lane: LaneName }, seq: number): void {
    const ack = { kind: "ack", seq } as const;
    const accusation = this.#options.lifeguard.buddy ? this.#membership.against(by.from) : null;
    const first = accusation === null ? [ack] : [ack, accusation];
    // On the lane that asked: the answer tells that this lane works both ways.
    turn.out.frame(by.from, this.#frames.build(...first), by.lane);
  }

  #usualLane(ix: Ix): LaneName {
    const own = this.#voice.record.body.datagrams;
    const both = own === "usual" && this.table.record(ix)?.body.datagrams === "usual";
    return both ? "udp" : "stream";
  }

  #leave(turn: Turn): void {
    if (this.#voice.isLeaving) return;
    this.#voice.say(turn, { leaving: true });
    if (this.table.upCount === 0) this.#farewellSpread = true;
  }

  #tick(turn: Turn): void {
    if (this.#hearing.look(turn.now)) this.#sync.catchUp(turn);
    this.#membership.expire(turn);
    this.#arrivals.tick(turn.now);
    this.#prober.tick(turn);
    this.#laneCheck.tick(turn);
    this.#relay.tick(turn);
    for (const ix of this.#contacts.take(turn.now)) {
      if (!this.#sync.start(turn, ix)) this.#contacts.failed(ix, turn.now);
    }
    this.#sync.tick(turn);
    this.#upkeep.tick(turn);
    this.#gossiper.tick(turn);
    if (this.#farewellSpread) {
      this.#farewellSpread = false;
      turn.out.farewellSpread();
    }
    if (this.#wantedVersion !== this.#overlay.version && this.#options.selector === "ring") {
      this.#wantedVersion = this.#overlay.version;
      turn.out.want(this.#overlay.neighbours());
    }
  }

  readonly #onStatus = (ix: Ix, before: StatusCode, after: StatusCode): void => {
    this.#arrivals.changed(ix, before, after);
    if (this.table.isUp(ix)) this.#contacts.remove(ix);
    if (after === Status.none) this.#prober.forget(ix);
    if (after === Status.failed) this.#gossiper.failed(ix);
  };
}
