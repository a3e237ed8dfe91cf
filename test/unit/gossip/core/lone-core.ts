/** One core under test, peers played by hand: inputs go in, effects are recorded. */
import { createHash } from "node:crypto";
import { asPeerId, type PeerId } from "../../../../src/base/ids.ts";
import { seededRandom } from "../../../../src/base/random.ts";
import { GossipCore } from "../../../../src/gossip/core/core.ts";
import { Directory } from "../../../../src/gossip/core/directory.ts";
import { MemberTable } from "../../../../src/gossip/core/member-table.ts";
import {
  type CoreEventKind,
  type EventBody,
  type Frame,
  type Input,
  type Message,
  type Outbox,
  type SelfRecord,
  type SignedEvent,
  type SignedRecord,
  Status,
  type SyncAnswer,
  type SyncRequest,
  type Twin,
} from "../../../../src/gossip/core/types.ts";
import { type GossipOptions, lanOptions } from "../../../../src/gossip/options.ts";
import {
  type AnswerLane,
  type DatagramUse,
  type LaneName,
  type Via,
} from "../../../../src/gossip/ports.ts";
import { encodeEventBody } from "../../../../src/gossip/wire/event-codec.ts";
import { encodeRecordBody } from "../../../../src/gossip/wire/record-codec.ts";

export interface LoneCoreOptions {
  /** Known members m1, m2, …; the core itself is m0. */
  readonly members?: number;
  readonly protocol?: Partial<GossipOptions>;
  readonly mayJoin?: (subject: PeerId, carrier: PeerId) => boolean;
  readonly seed?: number;
  readonly eventClock?: number;
  /** m0 and these others take datagrams, by `use`. */
  readonly datagrams?: readonly number[];
  readonly use?: DatagramUse;
  /** Of this start of m0. */
  readonly bootId?: string;
}

export const firstIncarnation = 100;

export class LoneCore implements Outbox {
  readonly directory: Directory;
  readonly core: GossipCore;
  readonly frames: { to: number; frame: Frame; via: Via }[] = [];
  readonly syncs: { to: number; request: SyncRequest }[] = [];
  readonly events: string[] = [];
  wanted: readonly number[] = [];
  conflicts = 0;
  isLater = false;
  readonly told: EventBody[] = [];
  readonly asymmetries: string[] = [];
  readonly laneChecks: string[] = [];
  farewells = 0;
  /** What `frame` returns: whether the transport takes frames. */
  takesFrames = true;
  now = 0;

  constructor(options: LoneCoreOptions = {}) {
    const { members = 5, protocol = {}, mayJoin = () => true, seed = 1 } = options;
    const { datagrams: takes = [], use = "usual" } = options;
    const own = {
      ...(options.bootId === undefined ? {} : { bootId: options.bootId }),
      datagrams: takes.length > 0 ? use : "none",
    };
    this.directory = new Directory({ capacity: 1000, rings: 10 }, (id) =>
      createHash("sha256").update(id).digest(),
    );
    const view = new MemberTable(this.directory);
    for (let ix = 0; ix <= members; ix += 1) {
      this.directory.intern(asPeerId(`m${ix}`));
      const record = this.recordOf(ix, { datagrams: takes.includes(ix) ? use : "none" });
      view.setRecord(ix, record);
      view.setStatus(ix, Status.alive, 0);
    }
    this.core = new GossipCore(
      // Tests count rounds from 0 on.
      { ...lanOptions, probeAfterMs: 0, ...protocol },
      {
        directory: this.directory,
        random: seededRandom(seed),
        authority: { seal, verify: isGenuine, sealEvent, verifyEvent: isGenuine },
        policy: { mayJoin },
      },
      {
        now: 0,
        self: 0,
        record: this.recordOf(0, own).body,
        view,
        eventClock: options.eventClock ?? 0,
      },
    );
  }

  recordOf(ix: number, changes: Partial<SelfRecord> = {}): SignedRecord {
    const name = `m${ix}`;
    return seal({
      id: asPeerId(name),
      incarnation: firstIncarnation,
      bootId: ix.toString(16).padStart(32, "0"),
      ...{ protocolMin: 1, protocolMax: 1, leaving: false, degraded: false, datagrams: "none" },
      ...{ name, address: `${name}:7946`, tags: {} },
      ...changes,
    });
  }

  give(...inputs: Input[]): void {
    this.core.step(this.now, inputs, this);
  }

  hear(from: number, ...frame: Message[]): void {
    this.hearOn("stream", from, ...frame);
  }

  hearOn(lane: LaneName, from: number, ...frame: Message[]): void {
    this.give({ kind: "frame", lane, from, frame });
  }

  accuse(kind: "suspect" | "failed", member: number, from: number, refused = false): void {
    const incarnation = this.core.table.incarnation(member);
    this.hear(from, { kind, member, incarnation, from, refused });
  }

  /** Runs the core's timers for `ms`; `onFrame` plays the peers. */
  advance(ms: number, onFrame: (to: number, frame: Frame, via: Via) => void = () => {}): void {
    const end = this.now + ms;
    for (;;) {
      for (const { to, frame, via } of this.frames.splice(0)) onFrame(to, frame, via);
      const next = this.core.nextDeadline();
      if (next > end) break;
      this.now = Math.max(this.now, next);
      this.give();
    }
    this.now = end;
  }

  /** Peers that answer each ping; `silent` ones do not. */
  answering(...silent: number[]): (to: number, frame: Frame) => void {
    return (to, frame) => {
      if (silent.includes(to)) return;
      for (const message of frame) {
        if (message.kind === "ping") this.hear(to, { kind: "ack", seq: message.seq });
      }
    };
  }

  /** Status of the member named `m<number>`. */
  status(number: number): string {
    const code = this.core.table.status(this.directory.find(asPeerId(`m${number}`)));
    return Object.entries(Status).find(([, value]) => value === code)?.[0] ?? "?";
  }

  /** All messages of `kind` sent since the last look, with their receivers. */
  sent<K extends Message["kind"]>(
    kind: K,
  ): { to: number; message: Extract<Message, { kind: K }> }[] {
    return this.frames.flatMap(({ to, frame }) =>
      frame.filter((message) => isKind(message, kind)).map((message) => ({ to, message })),
    );
  }

  answer(from: number, request: SyncRequest): SyncAnswer {
    return this.core.answer(this.now, { from, request }, this);
  }

  frame(to: number, frame: Frame, via: Via): boolean {
    this.frames.push({ to, frame, via });
    return this.takesFrames;
  }

  sync(to: number, request: SyncRequest): void {
    this.syncs.push({ to, request });
  }

  want(neighbours: readonly number[]): void {
    this.wanted = neighbours;
  }

  event(kind: CoreEventKind, member: number): void {
    this.events.push(`${kind} m${member}`);
  }

  rtt(): void {
    // The driver's tests look at round-trip times.
  }

  datagrams(member: number, answered: boolean): void {
    this.laneChecks.push(`m${member} ${answered ? "passes" : "silent"}`);
  }

  asymmetry(member: number, lane: AnswerLane): void {
    this.asymmetries.push(`m${member} ${lane}`);
  }

  userEvent(event: EventBody): void {
    this.told.push(event);
  }

  conflict({ count, isLater }: Twin): void {
    this.conflicts = count;
    this.isLater = isLater;
  }

  farewellSpread(): void {
    this.farewells += 1;
  }
}

function isKind<K extends Message["kind"]>(
  message: Message,
  kind: K,
): message is Extract<Message, { kind: K }> {
  return message.kind === kind;
}

export function seal(body: SelfRecord): SignedRecord {
  const bytes = encodeRecordBody(body);
  return { body, bytes, signature: sign(bytes) };
}

export function sealEvent(body: EventBody): SignedEvent {
  const bytes = encodeEventBody(body);
  return { body, bytes, signature: sign(bytes) };
}

function isGenuine(signed: SignedRecord | SignedEvent): boolean {
  return sameBytes(signed.signature, sign(signed.bytes));
}

function sign(bytes: Uint8Array): Uint8Array {
  return createHash("sha512").update(bytes).digest();
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
