/**
 * When a member that is up enters the overlay. One that just began dials all of its neighbours by itself, while it
 * still starts. Were these to dial, greet and probe it in the same moment, each pair would make its connection twice,
 * and some would hold the newcomer for silent and tell everybody: that costs each member more than its joining does.
 * So they wait a moment. Where many are new at once, or this agent is itself, nobody waits.
 */
import { type MemberTable } from "./member-table.ts";
import { type Overlay } from "./overlay.ts";
import { type Prober } from "./prober.ts";
import { type Ix, Status, type StatusCode } from "./types.ts";

export interface ArrivalsDependencies {
  readonly table: MemberTable;
  readonly overlay: Pick<Overlay, "up" | "down">;
  readonly prober: Pick<Prober, "newcomer">;
}

interface Waiting {
  readonly at: number;
  readonly before: StatusCode;
}

/** In probe intervals. */
const patience = 5;
const settledAfter = 4;
/** More newcomers than this share of all are no arrivals in a cluster that was there. */
const waitingShare = 1 / 2;

export class Arrivals {
  readonly #deps: ArrivalsDependencies;
  readonly #patienceMs: number;
  readonly #settledAt: number;
  /** Who waits, the first first. */
  readonly #waiting = new Map<Ix, Waiting>();

  constructor(
    options: { readonly probeIntervalMs: number },
    dependencies: ArrivalsDependencies,
    now: number,
  ) {
    this.#deps = dependencies;
    this.#patienceMs = patience * options.probeIntervalMs;
    this.#settledAt = now + settledAfter * options.probeIntervalMs;
  }

  get nextDeadline(): number {
    for (const { at } of this.#waiting.values()) return at;
    return Infinity;
  }

  /** The table says since now that `ix` is what it is after. */
  changed(ix: Ix, before: StatusCode, after: StatusCode): void {
    const wasUp = isUp(before);
    if (isUp(after) === wasUp) return;
    if (wasUp) this.#left(ix);
    else this.#came(ix, before);
  }

  tick(now: number): void {
    for (const [ix, { at, before }] of this.#waiting) {
      if (at > now) return;
      this.#waiting.delete(ix);
      this.#enter(ix, before);
    }
  }

  #came(ix: Ix, before: StatusCode): void {
    const { table } = this.#deps;
    const now = table.since(ix);
    const isNew = before === Status.none || before === Status.left;
    const isCalm = now >= this.#settledAt && this.#waiting.size < waitingShare * table.upCount;
    if (isNew && isCalm) this.#waiting.set(ix, { at: now + this.#patienceMs, before });
    else this.#enter(ix, before);
  }

  #left(ix: Ix): void {
    this.#waiting.delete(ix);
    this.#deps.overlay.down(ix);
  }

  #enter(ix: Ix, before: StatusCode): void {
    this.#deps.overlay.up(ix);
    if (before === Status.none) this.#deps.prober.newcomer(ix);
  }
}

function isUp(status: StatusCode): boolean {
  return status === Status.alive || status === Status.suspect;
}
