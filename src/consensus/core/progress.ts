/**
 * What the leader knows about one follower. `match`: the follower is known to have this durably; `next`: the entry to
 * send next. Invariant: match < next.
 *
 *   probe      one append at a time, to find where the logs agree
 *   replicate  a pipeline of appends, `next` advances optimistically
 *   snapshot   the follower needs compacted entries; appends wait for the snapshot
 */
import { assert } from "../../base/assert.ts";
import { Inflights, type WindowLimits } from "./inflights.ts";
import { type Index, type PeerProgress } from "./types.ts";

export type ProgressState = PeerProgress["state"];

/** A follower this close to the leader's last entry counts as caught up. */
const caughtUpLag = 256;

export class Progress {
  match: Index = 0;
  next: Index;
  state: ProgressState = "probe";
  /** The index of the snapshot being sent; 0 outside the snapshot state. */
  pendingSnapshot: Index = 0;
  /** Nothing more may be sent until the follower answers (or the next heartbeat, when that was lost). */
  paused = false;
  /** Highest commit index the follower was told, so that it is not told twice. */
  sentCommit: Index = 0;
  /** Ticks since anything was heard from this follower in this term. */
  ticksSinceAck = 0;
  /** Newest heartbeat round this follower answered. */
  ackedRound = 0;
  /** The driver is reading entries from here for this follower. */
  loading: Index | null = null;
  caughtUp = false;
  readonly inflights: Inflights;
  /** Catch-up round: reaching `#goal` within an election timeout shows that the follower keeps pace. */
  #goal: Index;
  #roundTicks = 0;

  constructor(next: Index, limits: WindowLimits) {
    assert(next >= 1, "the first entry has index 1");
    this.next = next;
    this.#goal = next - 1;
    this.inflights = new Inflights(limits);
  }

  tick(): void {
    this.ticksSinceAck += 1;
    assert(this.ticksSinceAck > 0, "time goes forward");
    if (this.match < this.#goal) this.#roundTicks += 1;
  }

  becomeProbe(): void {
    const behindSnapshot = this.state === "snapshot" ? this.pendingSnapshot + 1 : 0;
    assert(this.match < this.next, "match stays below next");
    this.#reset("probe");
    this.next = Math.max(this.match + 1, behindSnapshot);
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
    assert(this.next > this.match && this.inflights.count === 0, "a probe starts behind the match");
  }

  becomeReplicate(): void {
    assert(this.next > this.match, "match stays below next");
    this.#reset("replicate");
    this.next = this.match + 1;
    assert(!this.isBlocked(), "a new pipeline is open");
  }

  becomeSnapshot(index: Index): void {
    assert(index > this.match, "a snapshot brings something new");
    this.#reset("snapshot");
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  #reset(state: ProgressState): void {
    this.paused = false;
    this.pendingSnapshot = 0;
    this.state = state;
    this.loading = null;
    this.inflights.reset();
  }

  /** The follower has everything up to `index`. False when that is no news. */
  advance(index: Index): boolean {
    assert(index >= 0, "an acknowledged index is a natural number");
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.paused = false;
    if (this.loading !== null && this.loading < this.next) this.loading = null;
    assert(this.match < this.next, "match stays below next");
    return true;
  }

  /**
   * The follower refused an append after `rejected`; its log may agree up to `hint`. False when the refusal is old:
   * in replicate, below what matched meanwhile; in probe, not about the one append that is out.
   */
  backtrack(rejected: Index, hint: Index): boolean {
    assert(rejected >= 0 && hint >= 0, "positions are natural numbers");
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
    } else {
      if (this.next - 1 !== rejected) return false;
      this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    }
    assert(this.next > this.match, "match stays below next");
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
    this.paused = false;
    this.loading = null;
    return true;
  }

  /**
   * The follower refused what it had acknowledged, and has nothing behind `hint`: its disk lost entries. What it holds
   * counts again from there. An old refusal that comes twice does the same, which only costs sending again.
   */
  regress(rejected: Index, hint: Index): boolean {
    if (this.state !== "probe" || rejected > this.match || hint >= this.match) return false;
    this.match = hint;
    this.next = hint + 1;
    this.sentCommit = Math.min(this.sentCommit, hint);
    this.paused = false;
    this.loading = null;
    this.caughtUp = false;
    return true;
  }

  /**
   * In a pipeline, the follower refused what it had acknowledged. Most likely it started over with an empty log, over
   * the same connection; if the refusal is only old, asking once more costs nothing but the pipeline.
   */
  isDoubtful(rejected: Index, hint: Index): boolean {
    return this.state === "replicate" && rejected <= this.match && hint < this.match;
  }

  isBlocked(): boolean {
    return this.state === "snapshot" || this.paused || this.loading !== null;
  }

  /** No more entries may be under way; an empty append still finds out whether the window got lost. */
  isWindowFull(): boolean {
    return this.state === "replicate" && this.inflights.isFull();
  }

  /** `count` entries of `bytes` left, the first being `next`. */
  sent(count: number, bytes: number): void {
    assert(this.state !== "snapshot", "nothing is appended while a snapshot is on its way");
    if (this.state === "probe") {
      this.paused ||= count > 0;
      return;
    }
    assert(!this.inflights.isFull() || count === 0, "a full window takes no entries");
    this.next += count;
    if (count > 0) this.inflights.add(this.next - 1, bytes);
    this.paused = this.inflights.isFull();
  }

  /** Would telling `commit` now help the follower, beyond what it was told before? */
  wantsCommit(commit: Index): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** Called after an answer: was the goal reached in time, and is the rest short? */
  updateCaughtUp(last: Index, electionTicks: number): void {
    if (this.match < this.#goal) return;
    assert(last >= this.match, "a follower has no more than the leader");
    const inTime = this.#roundTicks < electionTicks;
    this.caughtUp = inTime && last - this.match <= caughtUpLag;
    this.#goal = last;
    this.#roundTicks = 0;
  }

  describe(): PeerProgress {
    assert(this.match < this.next, "match stays below next");
    return {
      match: this.match,
      next: this.next,
      state: this.state,
      inflight: this.inflights.count,
      ticksSinceAck: this.ticksSinceAck,
      caughtUp: this.caughtUp,
    };
  }
}
