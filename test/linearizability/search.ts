/**
 * Looks for an order of one object's operations that the model accepts and that keeps every operation between its
 * call and its return: Wing & Gong's search ("Testing and Verifying Concurrent Objects", JPDC 17, 1993) with the
 * memory of configurations that Lowe added ("Testing for Linearizability", CCPE 29, 2017).
 *
 * An operation may come next when it was called before every unplaced operation that returned; the first return in
 * the list is therefore a wall: if no operation before it can come next, the latest choice was wrong.
 *
 * Operations of unknown outcome are choices, not duties. They are tried last; one that would change nothing is
 * never tried (leaving it out is as good); and of several that ask for the same, only the earliest (it can stand
 * wherever a later one could).
 */
import { must } from "../../src/base/assert.ts";
import { type Budget, type BudgetPart } from "./budget.ts";
import { Configurations } from "./configurations.ts";
import { type Operation } from "./history.ts";
import { type Model } from "./model.ts";
import { impossible, States } from "./states.ts";
import { Timeline } from "./timeline.ts";

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
  const inOrderOfCall = [...operations].sort((a, b) => a.called - b.called);
  return new Search(inOrderOfCall, model, budget).run();
}

/** An operation that was placed, and what to return to when it has to be taken out again. */
interface Choice {
  readonly operation: number;
  readonly state: number;
  readonly wall: number | null;
}

class Search<State, Op> {
  readonly #operations: readonly Operation<Op>[];
  readonly #budget: Budget;
  readonly #timeline: Timeline;
  readonly #states: States<State, Op>;
  readonly #configurations: Configurations;
  /** For an unfinished operation, the previous one that asks for the same. */
  readonly #twins: ReadonlyMap<number, number>;
  readonly #finished: number;
  readonly #choices: Choice[] = [];
  #unplaced: number;
  #state: number;
  #entry: number;
  /** The first return in the list, once the scan has come to it and turned to the unfinished operations. */
  #wall: number | null = null;
  #steps = 0;
  #furthest = { placed: -1, stuck: 0, state: 0 };

  constructor(operations: readonly Operation<Op>[], model: Model<State, Op>, budget: Budget) {
    this.#operations = operations;
    this.#budget = budget;
    this.#timeline = new Timeline(operations);
    this.#states = new States(
      model,
      operations.map(({ op }) => op),
    );
    this.#configurations = new Configurations(operations.length, budget.bytes);
    this.#twins = twinsOf(operations);
    this.#finished = operations.filter(({ returned }) => returned !== null).length;
    this.#unplaced = this.#finished;
    this.#state = this.#states.initial;
    this.#entry = this.#timeline.next(this.#timeline.finished);
  }

  run(): Outcome<Op> {
    while (this.#unplaced > 0) {
      const exhausted = this.#exhausted();
      if (exhausted !== null) return { verdict: "unknown", exhausted };
      if (this.#isWall()) {
        this.#wall = this.#entry;
        this.#entry = this.#timeline.next(this.#timeline.unfinished);
      } else if (this.#isBeyondWall()) {
        if (!this.#back()) return { verdict: "violation", dead: this.#deadEnd() };
      } else if (!this.#place(this.#entry >> 1)) {
        this.#entry = this.#timeline.next(this.#entry);
      }
    }
    return { verdict: "ok", order: this.#choices.map(({ operation }) => this.#at(operation)) };
  }

  #isWall(): boolean {
    return this.#wall === null && (this.#entry & 1) === 1;
  }

  /** In the list of unfinished operations, those called after the wall may not come next either. */
  #isBeyondWall(): boolean {
    if (this.#wall === null) return false;
    if (this.#entry === this.#timeline.unfinished) return true;
    return this.#timeline.before(this.#wall, this.#entry);
  }

  #place(operation: number): boolean {
    const twin = this.#twins.get(operation);
    if (twin !== undefined && !this.#configurations.has(twin)) return false;
    const after = this.#states.step(this.#state, operation);
    if (after === impossible) return false;
    const finished = this.#timeline.isFinished(operation);
    if (!finished && after === this.#state) return false;
    this.#configurations.flip(operation);
    if (!this.#configurations.enter(after)) {
      this.#configurations.flip(operation);
      return false;
    }
    this.#choices.push({ operation, state: this.#state, wall: this.#wall });
    this.#timeline.lift(operation);
    if (finished) this.#unplaced -= 1;
    this.#state = after;
    this.#restart();
    return true;
  }

  #restart(): void {
    this.#wall = null;
    this.#entry = this.#timeline.next(this.#timeline.finished);
  }

  /** Takes the latest choice back and goes on behind it; false when there is none. */
  #back(): boolean {
    this.#noteDeadEnd();
    const choice = this.#choices.pop();
    if (choice === undefined) return false;
    const { operation, state, wall } = choice;
    this.#timeline.unlift(operation);
    this.#configurations.flip(operation);
    if (this.#timeline.isFinished(operation)) this.#unplaced += 1;
    this.#state = state;
    this.#wall = wall;
    this.#entry = this.#timeline.next(2 * operation);
    return true;
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
