/** One agent of a simulation: its core, the state of its process, and its end of the network. */
import { GossipCore } from "../../../src/gossip/core/core.ts";
import { type MemberTable } from "../../../src/gossip/core/member-table.ts";
import { messageBytes, syncAnswerBytes, syncRequestBytes } from "../../../src/gossip/core/sizes.ts";
import {
  type CoreEventKind,
  type EventBody,
  type Frame,
  type Input,
  type Outbox,
  type SyncAnswer,
  type SyncRequest,
} from "../../../src/gossip/core/types.ts";
import { type LaneName, type Via } from "../../../src/gossip/ports.ts";
import { decodeFrame, encodeFrame } from "../../../src/gossip/wire/frame-codec.ts";
import {
  decodeSyncAnswer,
  decodeSyncRequest,
  encodeSyncAnswer,
  encodeSyncRequest,
} from "../../../src/gossip/wire/sync-codec.ts";
import { type Simulation } from "./simulation.ts";

type Process = "absent" | "running" | "killed" | "lost";
type Stall = "none" | "blocked" | "frozen";

interface Sending {
  readonly to: number;
  readonly frame: Frame;
  readonly lane: LaneName;
}

export class SimNode implements Outbox {
  readonly ix: number;
  readonly #sim: Simulation;
  #core: GossipCore | null = null;
  #process: Process = "absent";
  #stall: Stall = "none";
  /** While blocked: the frames of the one loop that hangs in a send. */
  #outstanding: Sending[] = [];
  #waiting: Input[] = [];
  #armedAt = Infinity;
  #life = 0;
  #starts = 0;
  wantCount = 0;
  farewellAt = Infinity;
  /** User events as they were delivered. */
  readonly heard: EventBody[] = [];

  constructor(sim: Simulation, ix: number) {
    this.#sim = sim;
    this.ix = ix;
  }

  get core(): GossipCore {
    if (this.#core === null) throw new Error(`node ${this.ix} never started`);
    return this.#core;
  }

  get isUp(): boolean {
    return this.#process === "running";
  }

  start(options: { view?: MemberTable; incarnation?: number; address?: string } = {}): void {
    this.#life += 1;
    const bootId = this.#sim.bootId(this.ix, this.#starts);
    this.#starts += 1;
    const { incarnation = this.#sim.clockIncarnation, address, view } = options;
    const record = this.#sim.firstRecord(this.ix, {
      ...{ incarnation, bootId },
      ...(address === undefined ? {} : { address }),
    });
    this.#core = new GossipCore(
      this.#sim.protocol,
      {
        directory: this.#sim.directory,
        random: this.#sim.random,
        authority: {
          seal: (body) => this.#sim.seal(body),
          verify: (signed) => this.#sim.isGenuine(signed),
          sealEvent: (body) => this.#sim.sealEvent(body),
          verifyEvent: (signed) => this.#sim.isGenuine(signed),
        },
        policy: { mayJoin: () => true },
      },
      { now: this.#sim.now, self: this.ix, record, ...(view === undefined ? {} : { view }) },
    );
    this.#process = "running";
    this.#stall = "none";
    this.farewellAt = Infinity;
    this.#armedAt = Infinity;
    this.#waiting = [];
    this.#outstanding = [];
    this.#arm();
  }

  /** `killed`: the kernel closes connections and refuses dials. `lost`: silence. */
  stop(how: "killed" | "lost"): void {
    this.#process = how;
    this.#life += 1;
    if (how === "lost") return;
    for (const other of this.#sim.nodes) {
      if (other === this || !other.isUp || !this.#isConnected(other)) continue;
      this.#sim.after(this.#sim.network.latencyMs(), () => {
        if (!this.#sim.network.isCut(this.ix, other.ix)) other.connection(this.ix, "closed");
      });
    }
  }

  stall(how: "blocked" | "frozen", ms: number): void {
    this.#stall = how;
    const life = this.#life;
    this.#sim.after(ms, () => {
      if (this.#life === life) this.#resume();
    });
  }

  post(input: Input | null): void {
    if (!this.isUp) return;
    if (this.#stall !== "none") {
      if (input !== null) this.#waiting.push(input);
      return;
    }
    this.core.step(this.#sim.now, input === null ? [] : [input], this);
    this.#arm();
  }

  connection(peer: number, state: "closed" | "refused"): void {
    this.post({ kind: "connection", peer, state });
  }

  frame(to: number, frame: Frame, via: Via): boolean {
    for (const lane of this.#sim.network.route(via)) {
      if (this.#stall === "blocked") this.#outstanding.push({ to, frame, lane });
      else this.#send({ to, frame, lane });
    }
    return true;
  }

  sync(to: number, request: SyncRequest): void {
    const { network } = this.#sim;
    const peer = this.#sim.node(to);
    const life = this.#life;
    const answered = (input: Input): void => {
      if (this.#life === life) this.post(input);
    };
    const fail = (ms: number): void =>
      this.#sim.after(ms, () => answered({ kind: "syncFailed", from: to }));
    if (peer.#process === "killed") return fail(2 * network.latencyMs());
    this.#count(syncRequestBytes(request));
    this.#sim.after(network.latencyMs(), () => {
      const cut = network.isCut(this.ix, to) || network.isCut(to, this.ix);
      if (!peer.isUp || peer.#stall !== "none" || cut) {
        return fail(this.#sim.protocol.syncTimeoutMs);
      }
      const answer = this.#overWire(peer.#answer(this.ix, this.#requestOverWire(request)));
      peer.#count(syncAnswerBytes(answer));
      this.#sim.after(network.latencyMs(), () =>
        answered({ kind: "syncAnswer", from: to, answer }),
      );
    });
  }

  want(neighbours: readonly number[]): void {
    this.wantCount = neighbours.length;
  }

  event(kind: CoreEventKind, member: number): void {
    this.#sim.record(this.ix, kind, member);
  }

  rtt(): void {
    // Round-trip times are of no interest here: the network is ours.
  }

  asymmetry(): void {
    // Counted by the cores themselves.
  }

  datagrams(): void {
    // A host would tell its operator.
  }

  userEvent(event: EventBody): void {
    this.heard.push(event);
  }

  conflict(): void {
    // Seen through the events of the experiments that provoke it.
  }

  farewellSpread(): void {
    this.farewellAt = this.#sim.now;
  }

  #send({ to, frame, lane }: Sending): void {
    const { network, directory, codec } = this.#sim;
    let bytes = 1;
    for (const message of frame) bytes += messageBytes(message);
    if (bytes > this.#sim.protocol.frameBytes) throw new Error(`frame of ${bytes} bytes`);
    this.#count(bytes);
    this.#sim.onFrame(frame);
    this.#sim.onFrameFrom(this.ix, frame);
    const at = network.arrival(this.#sim.now, { from: this.ix, to, lane });
    if (at === null) return;
    const peer = this.#sim.node(to);
    const arrived = codec ? decodeFrame(directory, encodeFrame(directory, frame)) : frame;
    if (arrived === null) throw new Error("a frame did not survive its own codec");
    this.#sim.queue.push(at, () => {
      if (peer.isUp) peer.post({ kind: "frame", lane, from: this.ix, frame: arrived });
      else if (peer.#process === "killed" && lane === "stream") {
        this.#sim.after(network.latencyMs(), () => this.connection(to, "refused"));
      }
    });
  }

  #answer(from: number, request: SyncRequest): SyncAnswer {
    const answer = this.core.answer(this.#sim.now, { from, request }, this);
    this.#arm();
    return answer;
  }

  #requestOverWire(request: SyncRequest): SyncRequest {
    const { directory, codec } = this.#sim;
    if (!codec) return request;
    const decoded = decodeSyncRequest(directory, encodeSyncRequest(directory, request));
    if (decoded === null) throw new Error("a sync request did not survive its own codec");
    return decoded;
  }

  #overWire(answer: SyncAnswer): SyncAnswer {
    const { directory, codec } = this.#sim;
    if (!codec) return answer;
    const decoded = decodeSyncAnswer(directory, encodeSyncAnswer(directory, answer));
    if (decoded === null) throw new Error("a sync answer did not survive its own codec");
    return decoded;
  }

  #count(bytes: number): void {
    const { framesSent, bytesSent } = this.#sim;
    framesSent[this.ix] = (framesSent[this.ix] ?? 0) + 1;
    bytesSent[this.ix] = (bytesSent[this.ix] ?? 0) + bytes;
  }

  #isConnected(other: SimNode): boolean {
    if (this.#sim.protocol.selector === "uniform") return false;
    return this.core.neighbours.includes(other.ix) || other.core.neighbours.includes(this.ix);
  }

  #arm(): void {
    const stuck = this.#stall === "blocked" && this.#outstanding.length > 0;
    const deadline = stuck ? this.core.nextExpiry : this.core.nextDeadline();
    if (deadline >= this.#armedAt || deadline === Infinity) return;
    this.#armedAt = Math.max(deadline, this.#sim.now);
    const at = this.#armedAt;
    const life = this.#life;
    this.#sim.queue.push(at, () => {
      if (this.#life === life && this.#armedAt === at) this.#fire();
    });
  }

  #fire(): void {
    this.#armedAt = Infinity;
    if (!this.isUp || this.#stall === "frozen") return;
    if (this.#stall === "blocked") {
      if (this.#outstanding.length > 0) this.core.expire(this.#sim.now, this);
      else this.core.step(this.#sim.now, [], this);
    } else this.core.step(this.#sim.now, [], this);
    this.#arm();
  }

  #resume(): void {
    this.#stall = "none";
    const outstanding = this.#outstanding;
    const waiting = this.#waiting;
    this.#outstanding = [];
    this.#waiting = [];
    for (const sending of outstanding) this.#send(sending);
    this.core.step(this.#sim.now, waiting, this);
    this.#armedAt = Infinity;
    this.#arm();
  }
}
