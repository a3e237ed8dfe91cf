/**
 * Frames and syncs into a core that runs: whatever arrives, it does not throw, does not grow beyond its limits, and
 * believes of members and events only what they signed.
 */
import { type Random } from "../../src/base/random.ts";
import { asPeerId } from "../../src/base/ids.ts";
import { type EventBody, type Message, Status } from "../../src/gossip/core/types.ts";
import { decodeFrame, encodeFrame } from "../../src/gossip/wire/frame-codec.ts";
import { decodeRecordBody, encodeRecordBody } from "../../src/gossip/wire/record-codec.ts";
import {
  decodeSyncAnswer,
  decodeSyncRequest,
  encodeSyncAnswer,
  encodeSyncRequest,
} from "../../src/gossip/wire/sync-codec.ts";
import { LoneCore, seal, sealEvent } from "../unit/gossip/core/lone-core.ts";
import { type Target } from "./target.ts";

const members = 20;
/** Members that only the other side of a sync knows. */
const others = 10;
const membersMax = 40;
/** A core lives for so many inputs. */
const lifetime = 20_000;

abstract class CoreTarget implements Target {
  abstract readonly name: string;
  protected readonly random: Random;
  protected lone: LoneCore;
  /** Signatures of records that their authors made: what may be believed. */
  #genuine = new Set<string>();
  /** Those of the life before, which still come again. */
  #former = new Set<string>();
  #inputs = 0;
  #incarnation = 0;

  constructor(random: Random) {
    this.random = random;
    this.lone = this.#born();
  }

  abstract valid(): Uint8Array;
  protected abstract hand(bytes: Uint8Array): boolean;

  feed(bytes: Uint8Array): boolean {
    this.#inputs += 1;
    if (this.#inputs % lifetime === 0) this.lone = this.#born();
    const taken = this.hand(bytes);
    if (this.#inputs % 16 === 0) {
      this.lone.now += this.random.below(400);
      this.lone.give();
    }
    this.lone.frames.splice(0);
    this.lone.syncs.splice(0);
    this.lone.events.splice(0);
    this.#check();
    return taken;
  }

  protected message(): Message {
    const { lone, random } = this;
    const member = random.below(members + 4);
    const seq = random.below(64);
    const known = lone.core.table.incarnation(member);
    const incarnation = Math.max(0, known - 1 + random.below(3));
    const target = random.below(members);
    switch (random.below(9)) {
      case 0:
        return { kind: "ping", seq, target };
      case 1:
        return { kind: "ack", seq };
      case 2:
        return { kind: "pingRequest", seq, target };
      case 3:
        return { kind: "nack", seq };
      case 4:
        return { kind: "suspect", member: target, incarnation, from: 1, refused: seq % 2 === 0 };
      case 5:
        return { kind: "failed", member: target, incarnation, from: 2, refused: false };
      case 6:
        return { kind: "event", event: sealEvent(this.#event(member)) };
      default:
        return { kind: "alive", record: this.record(member, incarnation + random.below(3)) };
    }
  }

  protected record(member: number, incarnation: number) {
    const leaving = incarnation % 7 === 0;
    const bootId = (incarnation % 5).toString(16).padStart(32, "0");
    const record = this.lone.recordOf(member, { incarnation, leaving, bootId });
    this.#genuine.add(Buffer.from(record.signature).toString("latin1"));
    return record;
  }

  #event(member: number): EventBody {
    const ltime = Math.max(1, this.lone.core.eventClock - 3 + this.random.below(6));
    const payload = new Uint8Array(this.random.below(40));
    return { ltime, origin: asPeerId(`m${member}`), name: `e${this.random.below(9)}`, payload };
  }

  #born(): LoneCore {
    this.#former = this.#genuine;
    this.#genuine = new Set();
    const lone = new LoneCore({ members, protocol: { membersMax }, seed: this.random.below(1e9) });
    for (let ix = 0; ix <= members + others; ix += 1) {
      this.#genuine.add(Buffer.from(lone.recordOf(ix).signature).toString("latin1"));
    }
    this.#incarnation = lone.core.incarnation;
    return lone;
  }

  #check(): void {
    const { core, directory, told } = this.lone;
    demand(core.incarnation >= this.#incarnation, "the own incarnation decreased");
    this.#incarnation = core.incarnation;
    demand(core.table.status(0) === Status.alive, "the agent believes that it is not alive");
    demand(core.health().queue <= 512 + 2 * membersMax, "the queue of rumours grew");
    demand(core.table.knownCount <= membersMax, "more members than allowed");
    demand(directory.size <= 1000, "the directory grew");
    for (const { origin, ltime } of told.splice(0)) {
      demand(/^m\d+$/.test(origin) && ltime > 0, "an event was made up");
    }
    const ix = 1 + this.random.below(Math.max(1, directory.size - 1));
    const record = core.table.record(ix);
    if (record === null) return;
    const signature = Buffer.from(record.signature).toString("latin1");
    const isGenuine = this.#genuine.has(signature) || this.#former.has(signature);
    demand(isGenuine, "a record that nobody signed is believed");
  }
}

class FrameTarget extends CoreTarget {
  readonly name = "frame";

  valid(): Uint8Array {
    const messages = Array.from({ length: 1 + this.random.below(3) }, () => this.message());
    return encodeFrame(this.lone.directory, messages);
  }

  protected hand(bytes: Uint8Array): boolean {
    const frame = bytes.length > 1350 ? null : decodeFrame(this.lone.directory, bytes);
    if (frame === null) return false;
    const from = 1 + this.random.below(members);
    const lane = this.random.below(2) === 0 ? "udp" : "stream";
    this.lone.give({ kind: "frame", from, frame, lane });
    return true;
  }
}

class RequestTarget extends CoreTarget {
  readonly name = "sync request";

  valid(): Uint8Array {
    const { lone, random } = this;
    const record = this.record(random.below(members), 100 + random.below(9));
    if (random.below(2) === 0) {
      const hash = { high: random.below(4), low: random.below(4) };
      const events = { clock: random.below(9), hash: random.below(3) };
      return encodeSyncRequest(lone.directory, { kind: "compare", hash, events, record });
    }
    const told = this.message();
    return encodeSyncRequest(lone.directory, {
      kind: "exchange",
      ...{ wantMembers: [random.below(members)], wantKeys: [], records: [record] },
      accusations: told.kind === "failed" ? [told] : [],
      events: told.kind === "event" ? [told.event] : [],
    });
  }

  protected hand(bytes: Uint8Array): boolean {
    const request = decodeSyncRequest(this.lone.directory, bytes);
    if (request === null) return false;
    this.lone.answer(1 + this.random.below(members), request);
    return true;
  }
}

class AnswerTarget extends CoreTarget {
  readonly name = "sync answer";
  readonly #other = new LoneCore({ members: members + others });

  valid(): Uint8Array {
    const { random } = this;
    const { directory, core } = this.#other;
    const told = this.message();
    const events = { clock: random.below(9), events: told.kind === "event" ? [told.event] : [] };
    const records = [this.record(random.below(members + others), 99 + random.below(9))];
    switch (random.below(4)) {
      case 0: {
        const hash = { high: random.below(4), low: 0 };
        const record = this.#other.recordOf(1);
        const asked = { kind: "compare", hash, events: { clock: 0, hash: 0 }, record } as const;
        return encodeSyncAnswer(
          directory,
          core.answer(0, { from: 1, request: asked }, this.#other),
        );
      }
      case 1:
        return encodeSyncAnswer(directory, { kind: "events", told: events });
      case 2:
        return encodeSyncAnswer(directory, { kind: "busy", records });
      default: {
        const accusations = told.kind === "failed" ? [told] : [];
        return encodeSyncAnswer(directory, { kind: "records", records, accusations });
      }
    }
  }

  protected hand(bytes: Uint8Array): boolean {
    const answer = decodeSyncAnswer(this.lone.directory, bytes);
    if (answer === null) return false;
    this.lone.give({ kind: "syncAnswer", from: 1 + this.random.below(members), answer });
    return true;
  }
}

/** Whatever decodes as a record is one that could have been encoded. */
class RecordTarget implements Target {
  readonly name = "record";
  readonly #random: Random;
  readonly #lone = new LoneCore({ members: 1 });

  constructor(random: Random) {
    this.#random = random;
  }

  valid(): Uint8Array {
    const value = "v".repeat(this.#random.below(200));
    return seal(this.#lone.recordOf(1, { tags: { role: value, zone: "b" } }).body).bytes;
  }

  feed(bytes: Uint8Array): boolean {
    const body = decodeRecordBody(bytes);
    if (body === null) return false;
    const again = decodeRecordBody(encodeRecordBody(body));
    demand(again !== null, "what was decoded cannot be encoded and decoded again");
    return true;
  }
}

export function demand(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

export function coreTargets(random: Random): readonly Target[] {
  const targets = [FrameTarget, RequestTarget, AnswerTarget, RecordTarget];
  return targets.map((Made) => new Made(random));
}
