/**
 * Where datagrams are spare (streams are the usual lane), nobody would notice before they are needed that a firewall
 * drops them. So one neighbour after the other is pinged by datagram now and then; the answer comes the way the ping
 * came. Silence is told after some pings that were lost, and means nothing while the member is not well by streams
 * either.
 */
import { type LaneName } from "../ports.ts";
import { type MemberTable } from "./member-table.ts";
import { type Overlay } from "./overlay.ts";
import { ProbeOrder } from "./probe-order.ts";
import { type Random } from "../../base/random.ts";
import { type Sequence } from "./sequence.ts";
import { type Ix, Status, type Turn } from "./types.ts";

export interface LaneCheckOptions {
  readonly laneCheckMs: number;
  readonly probeIntervalMs: number;
}

export interface LaneCheckDependencies {
  readonly self: Ix;
  readonly table: MemberTable;
  readonly overlay: Overlay;
  readonly sequence: Sequence;
  readonly random: Random;
  readonly usualLane: (ix: Ix) => LaneName;
}

interface Check {
  readonly target: Ix;
  readonly seqs: number[];
  nextAt: number;
}

/** With a quarter of all packets lost each way, one check of 140 fails by chance. */
const pings = 6;

export class LaneCheck {
  readonly #options: LaneCheckOptions;
  readonly #deps: LaneCheckDependencies;
  readonly #order: ProbeOrder;
  #check: Check | null = null;
  #nextAt: number;

  constructor(options: LaneCheckOptions, dependencies: LaneCheckDependencies, now: number) {
    this.#options = options;
    this.#deps = dependencies;
    this.#order = new ProbeOrder(dependencies.random);
    this.#nextAt = now + options.laneCheckMs / 4;
  }

  get nextDeadline(): number {
    if (this.#check !== null) return this.#check.nextAt;
    return this.#takes(this.#deps.self) ? this.#nextAt : Infinity;
  }

  tick(turn: Turn): void {
    if (this.#check !== null) this.#goOn(turn, this.#check);
    else if (turn.now >= this.#nextAt) this.#begin(turn);
  }

  /** True when `seq` was a ping of ours. An answer on another lane says that none of the two sent a datagram. */
  ack(turn: Turn, seq: number, by: { readonly from: Ix; readonly lane: LaneName }): boolean {
    const check = this.#check;
    if (check === null || !check.seqs.includes(seq)) return false;
    this.#end(turn);
    if (by.from === check.target && by.lane === "udp") turn.out.datagrams(check.target, true);
    return true;
  }

  #begin(turn: Turn): void {
    const { self, table } = this.#deps;
    if (!this.#takes(self)) return;
    const target = this.#order.next(
      (ix) => this.#isSpare(ix) && table.status(ix) === Status.alive,
      () => this.#deps.overlay.neighbours(),
    );
    if (target < 0) return this.#end(turn);
    this.#check = { target, seqs: [], nextAt: turn.now };
    this.#goOn(turn, this.#check);
  }

  #goOn(turn: Turn, check: Check): void {
    if (turn.now < check.nextAt) return;
    const { table, sequence } = this.#deps;
    const { target, seqs } = check;
    const isWell = this.#isSpare(target) && table.status(target) === Status.alive;
    if (!isWell || seqs.length >= pings) {
      this.#end(turn);
      if (isWell) turn.out.datagrams(target, false);
      return;
    }
    const seq = sequence.next();
    seqs.push(seq);
    check.nextAt = turn.now + this.#options.probeIntervalMs;
    // No rumours with it: they count as told, and may go nowhere.
    if (!turn.out.frame(target, [{ kind: "ping", seq, target }], "udp")) this.#end(turn);
  }

  #end({ now }: Turn): void {
    this.#check = null;
    this.#nextAt = now + this.#options.laneCheckMs;
  }

  /** Both take datagrams, and need none while streams do. */
  #isSpare(ix: Ix): boolean {
    const { self, usualLane } = this.#deps;
    return ix !== self && this.#takes(self) && this.#takes(ix) && usualLane(ix) === "stream";
  }

  #takes(ix: Ix): boolean {
    return (this.#deps.table.record(ix)?.body.datagrams ?? "none") !== "none";
  }
}
