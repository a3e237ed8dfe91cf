/** The core's table as records for the rest of the agent. */
import { type PeerId } from "../../base/ids.ts";
import { type Directory } from "../core/directory.ts";
import { type MemberTable } from "../core/member-table.ts";
import { type Ix, Status, type StatusCode } from "../core/types.ts";
import {
  type AnswerLane,
  type DatagramUse,
  type LaneName,
  type MemberStatus,
  type MemberView,
} from "../ports.ts";

const smoothing = 1 / 8;

export class MemberViews {
  readonly #directory: Directory;
  readonly #table: MemberTable;
  readonly #rttMs = new Map<Ix, number>();
  readonly #lanes = new Map<Ix, AnswerLane>();
  readonly #datagramsPass = new Map<Ix, boolean>();

  constructor(directory: Directory, table: MemberTable) {
    this.#directory = directory;
    this.#table = table;
  }

  /** A probe was answered. Smoothed like TCP's round-trip time (RFC 6298). */
  rtt(ix: Ix, milliseconds: number, lane: LaneName): void {
    this.#lanes.set(ix, lane);
    const before = this.#rttMs.get(ix);
    const after =
      before === undefined ? milliseconds : before + (milliseconds - before) * smoothing;
    this.#rttMs.set(ix, after);
  }

  /** Nothing passes between it and this agent. */
  onlyThroughOthers(ix: Ix): void {
    this.#lanes.set(ix, "others");
  }

  /** Whether spare datagrams to this member are answered. */
  datagramsPass(ix: Ix, answered: boolean): void {
    this.#datagramsPass.set(ix, answered);
  }

  forget(ix: Ix): void {
    this.#datagramsPass.delete(ix);
    this.#rttMs.delete(ix);
    this.#lanes.delete(ix);
  }

  find(id: PeerId): MemberView | null {
    const ix = this.#directory.find(id);
    return ix < 0 ? null : this.at(ix);
  }

  at(ix: Ix): MemberView | null {
    const record = this.#table.record(ix);
    const status = statusName(this.#table.status(ix));
    if (record === null || status === null) return null;
    const { id, name, address, incarnation, bootId, tags, degraded } = record.body;
    const datagrams = this.datagrams(ix) !== "none";
    const datagramsPass = datagrams ? (this.#datagramsPass.get(ix) ?? null) : null;
    const protocol = { min: record.body.protocolMin, max: record.body.protocolMax };
    const rttMs = this.#rttMs.get(ix) ?? null;
    const lane = this.#lanes.get(ix) ?? null;
    const since = this.#table.since(ix);
    const measured = { rttMs, lane, degraded, datagrams, datagramsPass, protocol };
    return { id, name, address, status, incarnation, bootId, tags, since, ...measured };
  }

  datagrams(ix: Ix): DatagramUse {
    return this.#table.record(ix)?.body.datagrams ?? "none";
  }

  all(): readonly MemberView[] {
    const views: MemberView[] = [];
    for (let ix = 0; ix < this.#table.bound; ix += 1) {
      const view = this.at(ix);
      if (view !== null) views.push(view);
    }
    return views.sort((a, b) => compare(a.name, b.name) || compare(a.id, b.id));
  }
}

function statusName(status: StatusCode): MemberStatus | null {
  switch (status) {
    case Status.none:
      return null;
    case Status.alive:
      return "alive";
    case Status.suspect:
      return "suspect";
    case Status.failed:
      return "failed";
    case Status.left:
      return "left";
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
