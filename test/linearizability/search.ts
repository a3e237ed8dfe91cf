/**
 * Looks for an order of one object's operations that the model accepts and that keeps every operation between its
 * call and its return: Wing & Gong's search ("Testing and Verifying Concurrent Objects", JPDC 17, 1993) with the
 * memory of configurations that Lowe added ("Testing for Linearizability", CCPE 29, 2017).
 *
 * An operation may come next when it was called before every unplaced operation returned; the first return in the
 * list is therefore a wall: if no operation before it can come next, the latest choice was wrong.
 *
 * Two things keep the search small. A finished operation that only reads is placed, for good, as soon as it may come
 * next and fits: no later place is better. (That a write changes nothing here does not mean that it may be placed
 * for good: it may be needed later, where it does.) And an unfinished operation is a possibility, not a duty: it is
 * tried last, and only when it matters. It does not when it changes nothing, when the next operation leads to the
 * same state without it, or when an earlier one that asks for the same is free, which can stand wherever it could.
 */
import { must } from "../../src/base/assert.ts";
import { type Budget, type BudgetPart } from "./budget.ts";
import { Configurations } from "./configurations.ts";
import { type Operation } from "./history.ts";
import { type Model } from "./model.ts";
import { impossible, States } from "./states.ts";
import { isReturn, Timeline } from "./timeline.ts";

export type Outcome<Op> =
  /** `order` proves it: a sequence the model accepts, without the unfinished operations that were not needed. */
  | { readonly verdict: "ok"; readonly order: readonly Operation<Op>[] }
  | { readonly verdict: "violation"; readonly dead: DeadEnd<Op> }
  | { readonly verdict: "unknown"; readonly exhausted: BudgetPart };

/** The furthest the search came, for people who look for the cause. */
export interface DeadEnd<Op> {
  /** It had to come before its return, and could not. */
  readonly stuck: Operation<Op>;
  /** Finished operations that could be placed before. */
  readonly placed: number;
  readonly of: number;
  /** The state after them. */
  readonly state: string;
}

/** `operations` are of one object. */
export function search<State, Op>(
  operations: readonly Operation<Op>[],
  model: Model<State, Op>,
  budget: Budget,
): Outcome<Op> {
  return new Search(operations, model, budget).run();
}

/** An operation that was placed, and where to go on when it has to be taken out again. */
interface Choice {
  readonly operation: number;
  readonly state: number;
  readonly wall: number | null;
  /** Nothing else needs to be tried in its place. */
  readonly forGood: boolean;
}

class Search<State, Op> {
  /** The finished ones, then the unfinished ones, each in the order of their calls. */
  readonly #operations: readonly Operation<Op>[];
  readonly #finished: number;
  readonly #budget: Budget;
  readonly #timeline: Timeline;
  readonly #states: States<State, Op>;
  readonly #configurations: Configurations;
  /** For an unfinished operation, the previous one that asks for the same. */
  readonly #twins: ReadonlyMap<number, number>;
  readonly #reads: readonly boolean[];
  readonly #choices: Choice[] = [];
  #unplaced: number;
  #state: number;
  #entry: number;
  /** The first return in the list, once the scan has come to it and turned to the unfinished operations. */
  #wall: number | null = null;
  #steps = 0;
  #furthest = { placed: -1, stuck: 0, state: 0 };

  constructor(operations: readonly Operation<Op>[], model: Model<State, Op>, budget: Budget) {
    const byCall = operations.toSorted((a, b) => a.called - b.called);
    const finished = byCall.filter(({ returned }) => returned !== null);
    const unfinished = byCall.filter(({ returned }) => returned === null);
    this.#operations = [...finished, ...unfinished];
    this.#finished = finished.length;
    this.#budget = budget;
    this.#timeline = new Timeline(this.#operations);
    this.#states = new States(
      model,
      this.#operations.map(({ op }) => op),
    );
    const sizes = { finished: finished.length, unfinished: unfinished.length };
    this.#configurations = new Configurations(sizes, budget.bytes);
    this.#twins = twinsOf(this.#operations);
    this.#reads = this.#operations.map(({ op }) => model.isRead(op));
    this.#unplaced = this.#finished;
    this.#state = this.#states.initial;
    this.#entry = this.#timeline.finished;
  }

  run(): Outcome<Op> {
    this.#placeForGood();
    this.#scanFromStart();
    while (this.#unplaced > 0) {
      const exhausted = this.#exhausted();
      if (exhausted !== null) return { verdict: "unknown", exhausted };
      if (this.#isAtWall()) {
        this.#wall = this.#entry;
        this.#entry = this.#timeline.next(this.#timeline.unfinished);
      } else if (this.#isBeyondWall()) {
        this.#noteDeadEnd();
        if (!this.#back()) return { verdict: "violation", dead: this.#deadEnd() };
      } else {
        this.#try(this.#entry >> 1);
      }
    }
    return { verdict: "ok", order: this.#choices.map(({ operation }) => this.#at(operation)) };
  }

  #isAtWall(): boolean {
    return this.#wall === null && isReturn(this.#entry);
  }

  /** In the list of unfinished operations, those called after the wall may not come next either. */
  #isBeyondWall(): boolean {
    if (this.#wall === null) return false;
    if (this.#entry === this.#timeline.unfinished) return true;
    return this.#timeline.before(this.#wall, this.#entry);
  }

  #try(operation: number): void {
    const after = this.#states.step(this.#state, operation);
    if (after === impossible || this.#isInVain(operation, after)) {
      this.#entry = this.#timeline.next(this.#entry);
      return;
    }
    this.#place({ operation, state: this.#state, wall: this.#wall, forGood: false });
    this.#state = after;
    this.#placeForGood();
    if (this.#configurations.enter(after)) {
      this.#scanFromStart();
    } else {
      this.#back();
    }
  }

  /** True when leaving an unfinished operation out, this one or the one before, is as good. */
  #isInVain(operation: number, after: number): boolean {
    const latest = this.#choices.at(-1);
    if (latest !== undefined && latest.operation >= this.#finished) {
      if (this.#states.step(latest.state, operation) === after) return true;
    }
    if (operation < this.#finished) return false;
    const twin = this.#twins.get(operation);
    return after === this.#state || (twin !== undefined && !this.#isPlaced(twin));
  }

  #scanFromStart(): void {
    this.#wall = null;
    this.#entry = this.#timeline.next(this.#timeline.finished);
  }

  /** Places all finished reads that may come next and fit. */
  #placeForGood(): void {
    const end = this.#timeline.finished;
    let kept = end;
    let entry = this.#timeline.next(kept);
    while (entry !== end && !isReturn(entry)) {
      const operation = entry >> 1;
      if (this.#isRead(operation) && this.#fits(operation)) {
        this.#place({ operation, state: this.#state, wall: null, forGood: true });
      } else {
        kept = entry;
      }
      // Not the next of `entry`: that may have been its own return, and left the list with it.
      entry = this.#timeline.next(kept);
    }
  }

  #isRead(operation: number): boolean {
    return this.#reads[operation] === true;
  }

  #fits(operation: number): boolean {
    return this.#states.step(this.#state, operation) !== impossible;
  }

  #place(choice: Choice): void {
    this.#choices.push(choice);
    this.#timeline.lift(choice.operation);
    this.#flip(choice.operation);
    if (choice.operation < this.#finished) this.#unplaced -= 1;
  }

  /** Takes the latest choice back that had an alternative, and goes on with that; false when there is none. */
  #back(): boolean {
    for (let choice = this.#choices.pop(); choice !== undefined; choice = this.#choices.pop()) {
      const { operation, state, wall, forGood } = choice;
      this.#timeline.unlift(operation);
      this.#flip(operation);
      if (operation < this.#finished) this.#unplaced += 1;
      if (forGood) continue;
      this.#state = state;
      this.#wall = wall;
      this.#entry = this.#timeline.next(2 * operation);
      return true;
    }
    return false;
  }

  #flip(operation: number): void {
    const { finished, unfinished } = this.#configurations;
    if (operation < this.#finished) finished.flip(operation);
    else unfinished.flip(operation - this.#finished);
  }

  /** Of an unfinished operation. */
  #isPlaced(operation: number): boolean {
    return this.#configurations.unfinished.has(operation - this.#finished);
  }

  #noteDeadEnd(): void {
    const placed = this.#finished - this.#unplaced;
    if (this.#wall === null || placed <= this.#furthest.placed) return;
    this.#furthest = { placed, stuck: this.#wall >> 1, state: this.#state };
  }

  #deadEnd(): DeadEnd<Op> {
    const { placed, stuck, state } = this.#furthest;
    return { stuck: this.#at(stuck), placed, of: this.#finished, state: this.#states.key(state) };
  }

  #exhausted(): BudgetPart | null {
    this.#steps += 1;
    if (this.#steps > this.#budget.steps) return "steps";
    if (this.#configurations.full) return "memory";
    return this.#steps % 4096 === 0 && this.#budget.isTimeUp() ? "time" : null;
  }

  #at(operation: number): Operation<Op> {
    return must(this.#operations[operation], "an operation is numbered");
  }
}

function twinsOf(operations: readonly Operation<unknown>[]): Map<number, number> {
  const latest = new Map<string, number>();
  const twins = new Map<number, number>();
  operations.forEach(({ op, returned }, index) => {
    if (returned !== null) return;
    const request = JSON.stringify(op);
    const twin = latest.get(request);
    if (twin !== undefined) twins.set(index, twin);
    latest.set(request, index);
  });
  return twins;
}
