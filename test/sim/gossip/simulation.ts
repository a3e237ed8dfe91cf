/**
 * N cores, one virtual clock, one seeded network. Frames travel as objects unless `codec` is on. A crash
 * closes connections (then re-dials are refused) or is silent, like a lost host. A blocked node keeps its
 * clocks but hangs in its next send with that one message outstanding (Lifeguard §V-A); a frozen one stands.
 */
import { asPeerId } from "../../../src/base/ids.ts";
import { type Random, seededRandom } from "../../../src/base/random.ts";
import { Directory, mix32 } from "../../../src/gossip/core/directory.ts";
import { MemberTable } from "../../../src/gossip/core/member-table.ts";
import {
  type CoreEventKind,
  type EventBody,
  type Frame,
  type SelfRecord,
  type SignedEvent,
  type SignedRecord,
  Status,
} from "../../../src/gossip/core/types.ts";
import { type GossipOptions, lanOptions } from "../../../src/gossip/options.ts";
import { encodeEventBody } from "../../../src/gossip/wire/event-codec.ts";
import { encodeRecordBody } from "../../../src/gossip/wire/record-codec.ts";
import { EventQueue } from "./event-queue.ts";
import { lanNetwork, Network, type NetworkOptions } from "./network.ts";
import { SimNode } from "./sim-node.ts";

export interface SimulationOptions {
  readonly nodes: number;
  readonly seed: number;
  readonly protocol?: Partial<GossipOptions>;
  readonly network?: Partial<NetworkOptions>;
  /** Encode and decode every frame and sync. */
  readonly codec?: boolean;
  /** Everybody knows everybody at the start; otherwise nodes start alone. */
  readonly warm?: boolean;
}

export interface SimEvent {
  readonly at: number;
  readonly node: number;
  readonly kind: CoreEventKind;
  readonly member: number;
}

/** Seconds since 2026 at the start of each simulation: incarnations of first lives. */
const startSeconds = 10_000_000;

export class Simulation {
  readonly size: number;
  readonly protocol: GossipOptions;
  readonly random: Random;
  readonly directory: Directory;
  readonly network: Network;
  readonly codec: boolean;
  readonly nodes: SimNode[] = [];
  readonly queue = new EventQueue();
  readonly framesSent: Float64Array;
  readonly bytesSent: Float64Array;
  now = 0;
  /** FNV-1a over all events: equal seeds must give equal values. */
  logHash = 0x811c9dc5;
  onEvent: (event: SimEvent) => void = () => {};
  onFrame: (frame: Frame) => void = () => {};
  onFrameFrom: (from: number, frame: Frame) => void = () => {};

  constructor(options: SimulationOptions) {
    this.size = options.nodes;
    this.codec = options.codec ?? false;
    this.protocol = { ...lanOptions, ...options.protocol };
    this.random = seededRandom(options.seed);
    const { rings } = this.protocol;
    this.directory = new Directory({ capacity: 2 * this.size, rings }, simKey(options.seed));
    this.network = new Network({ ...lanNetwork, ...options.network }, this.random);
    this.framesSent = new Float64Array(this.size);
    this.bytesSent = new Float64Array(this.size);
    for (let ix = 0; ix < this.size; ix += 1) this.directory.intern(asPeerId(nodeName(ix)));
    const view = new MemberTable(this.directory);
    for (let ix = 0; ix < this.size; ix += 1) {
      view.setRecord(ix, this.seal(this.firstRecord(ix)));
      view.setStatus(ix, Status.alive, 0);
    }
    for (let ix = 0; ix < this.size; ix += 1) {
      this.nodes.push(new SimNode(this, ix));
      if (options.warm !== false) this.node(ix).start({ view });
    }
  }

  node(ix: number): SimNode {
    const node = this.nodes[ix];
    if (node === undefined) throw new Error(`no node ${ix}`);
    return node;
  }

  get up(): readonly SimNode[] {
    return this.nodes.filter((node) => node.isUp);
  }

  seal(body: SelfRecord): SignedRecord {
    const bytes = encodeRecordBody(body);
    return { body, bytes, signature: checksumSignature(bytes) };
  }

  sealEvent(body: EventBody): SignedEvent {
    const bytes = encodeEventBody(body);
    return { body, bytes, signature: checksumSignature(bytes) };
  }

  isGenuine({ bytes, signature }: SignedRecord | SignedEvent): boolean {
    if (signature instanceof Checksum && signature.covered === bytes) return true;
    const expected = checksumSignature(bytes);
    return expected.every((byte, at) => signature[at] === byte);
  }

  firstRecord(ix: number, changes: Partial<SelfRecord> = {}): SelfRecord {
    return {
      id: asPeerId(nodeName(ix)),
      name: nodeName(ix),
      address: `10.0.${ix >> 8}.${ix & 255}:7946`,
      incarnation: startSeconds,
      bootId: this.bootId(ix, 0),
      ...{ protocolMin: 1, protocolMax: 1, leaving: false, degraded: false },
      datagrams: this.network.datagrams,
      tags: { role: "worker" },
      ...changes,
    };
  }

  /** Of a process that was started again so many times. */
  bootId(ix: number, restarts: number): string {
    return (ix + 0x1000000 * restarts).toString(16).padStart(32, "0");
  }

  /** Incarnation that a first life starting now would take. */
  get clockIncarnation(): number {
    return startSeconds + Math.floor(this.now / 1000);
  }

  after(ms: number, run: () => void): void {
    this.queue.push(this.now + ms, run);
  }

  /** Runs until `time` (absolute, ms), or until `done` holds. */
  runUntil(time: number, done: () => boolean = () => false): boolean {
    while (this.queue.nextAt <= time) {
      this.now = Math.max(this.now, this.queue.nextAt);
      this.queue.pop()?.();
      if (done()) return true;
    }
    this.now = time;
    return done();
  }

  record(node: number, kind: CoreEventKind, member: number): void {
    for (const value of [Math.round(this.now * 1000), node, kind.length, member]) {
      this.logHash = Math.imul(this.logHash ^ value, 0x01000193) >>> 0;
    }
    this.onEvent({ at: this.now, node, kind, member });
  }
}

export function nodeName(ix: number): string {
  return `n${ix.toString().padStart(5, "0")}`;
}

/** Breaks when a byte of the record changes, which is all that a simulation needs of a signature. */
function checksumSignature(bytes: Uint8Array): Checksum {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  const signature = new Checksum(64);
  new DataView(signature.buffer).setUint32(0, hash);
  signature.covered = bytes;
  return signature;
}

/** Remembers what it was made for: most records travel as the objects they were made as, and need no second look. */
class Checksum extends Uint8Array {
  covered: Uint8Array | null = null;
}

/** Keys as a hash of the name would give them, and others for each seed. */
function simKey(seed: number): (id: string) => Uint8Array {
  return (id) => {
    const ix = Number(id.slice(1));
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, mix32(ix ^ mix32(seed)));
    view.setUint32(4, mix32(ix + 0x9e3779b9 + mix32(seed + 1)));
    return bytes;
  };
}
