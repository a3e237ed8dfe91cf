/**
 * What one agent believes of each member, as arrays: 21 bytes per member, so that ten thousand tables of ten
 * thousand members fit in one process. Invariant: an incarnation never decreases while the member is known.
 */
import { assert } from "../../base/assert.ts";
import { type Directory, mix32 } from "./directory.ts";
import { RecordList } from "./record-list.ts";
import { type Ix, type SignedRecord, Status, type StatusCode, type ViewHash } from "./types.ts";

export class MemberTable {
  readonly #directory: Directory;
  #status = new Uint8Array(64);
  #incarnation = new Uint32Array(64);
  #since = new Float64Array(64);
  readonly #records = new RecordList();
  readonly #counts = [0, 0, 0, 0, 0];
  #hashHigh = 0;
  #hashLow = 0;
  #version = 0;

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  /** Members are below this index. */
  get bound(): number {
    return Math.min(this.#directory.size, this.#status.length);
  }

  /** Changes with every change of the table. */
  get version(): number {
    return this.#version;
  }

  /** Alive or suspect. */
  get upCount(): number {
    return this.count(Status.alive) + this.count(Status.suspect);
  }

  get knownCount(): number {
    return this.upCount + this.count(Status.failed) + this.count(Status.left);
  }

  count(status: StatusCode): number {
    return this.#counts[status] ?? 0;
  }

  status(ix: Ix): StatusCode {
    return (this.#status[ix] ?? Status.none) as StatusCode;
  }

  isUp(ix: Ix): boolean {
    const status = this.#status[ix];
    return status === Status.alive || status === Status.suspect;
  }

  incarnation(ix: Ix): number {
    return this.#incarnation[ix] ?? 0;
  }

  /** When the present status began. */
  since(ix: Ix): number {
    return this.#since[ix] ?? 0;
  }

  record(ix: Ix): SignedRecord | null {
    return this.#records.get(ix) ?? null;
  }

  /** Two agents with the same view have the same hash. Suspicion is passing, so it counts as alive. */
  viewHash(): ViewHash {
    return { high: this.#hashHigh, low: this.#hashLow };
  }

  /** Takes over what another table says of all members, but for `self`, of whom this one knows already. */
  adopt(other: MemberTable, self: Ix): void {
    assert(this.knownCount === 1 && this.isUp(self), "a view is taken over at the start");
    const own = this.record(self);
    assert(own !== null, "an agent knows itself");
    this.#status = other.#status.slice();
    this.#incarnation = other.#incarnation.slice();
    this.#since = other.#since.slice();
    this.#records.adopt(other.#records);
    for (const [status, count] of other.#counts.entries()) this.#counts[status] = count;
    this.#hashHigh = other.#hashHigh;
    this.#hashLow = other.#hashLow;
    this.#version += 1;
    this.setRecord(self, own);
  }

  setRecord(ix: Ix, record: SignedRecord): void {
    assert(
      this.status(ix) === Status.none || record.body.incarnation >= this.incarnation(ix),
      "the incarnation of a member never decreases",
    );
    this.#reserve(ix + 1);
    this.#toggleHash(ix);
    this.#incarnation[ix] = record.body.incarnation;
    this.#records.set(ix, record);
    this.#toggleHash(ix);
    this.#version += 1;
  }

  setStatus(ix: Ix, status: StatusCode, now: number): void {
    const before = this.status(ix);
    assert(status !== before, "a status is set when it changes");
    assert(this.record(ix) !== null, "a member has a record before it has a status");
    this.#toggleHash(ix);
    this.#counts[before] = this.count(before) - 1;
    this.#counts[status] = this.count(status) + 1;
    this.#status[ix] = status;
    this.#since[ix] = now;
    this.#toggleHash(ix);
    this.#version += 1;
  }

  forget(ix: Ix, now: number): void {
    if (this.status(ix) !== Status.none) this.setStatus(ix, Status.none, now);
    this.#records.set(ix, undefined);
    this.#incarnation[ix] = 0;
  }

  #toggleHash(ix: Ix): void {
    const status = this.status(ix);
    if (status === Status.none) return;
    const kind = status === Status.suspect ? Status.alive : status;
    const claim = mix32(this.incarnation(ix) ^ mix32(kind));
    this.#hashHigh = (this.#hashHigh ^ mix32(this.#directory.keyHigh(ix) ^ claim)) >>> 0;
    this.#hashLow = (this.#hashLow ^ mix32(this.#directory.keyLow(ix) + claim)) >>> 0;
  }

  #reserve(count: number): void {
    if (count <= this.#status.length) return;
    const room = Math.max(2 * this.#status.length, this.#directory.size, count);
    const status = new Uint8Array(room);
    status.set(this.#status);
    this.#status = status;
    const incarnation = new Uint32Array(room);
    incarnation.set(this.#incarnation);
    this.#incarnation = incarnation;
    const since = new Float64Array(room);
    since.set(this.#since);
    this.#since = since;
  }
}
