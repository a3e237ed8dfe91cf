/**
 * Numbers the states a model has been in, so that comparing two is comparing integers, and remembers transitions:
 * the search takes the same step from the same state many times, and a step may be costly (long strings, sets).
 */
import { must } from "../../src/base/assert.ts";
import { type Model } from "./model.ts";

/** The operation cannot come next. */
export const impossible = -1;

interface Node<State> {
  readonly state: State;
  /** The number of the state that an operation leads to. */
  readonly after: Map<number, number>;
}

export class States<State, Op> {
  readonly initial: number;
  readonly #model: Model<State, Op>;
  readonly #ops: readonly Op[];
  readonly #nodes: Node<State>[] = [];
  readonly #numbers = new Map<string, number>();

  constructor(model: Model<State, Op>, ops: readonly Op[]) {
    this.#model = model;
    this.#ops = ops;
    this.initial = this.#number(model.initial);
  }

  /** The number of the state that operation number `op` leads to, or `impossible`. */
  step(number: number, op: number): number {
    const { state, after } = this.#node(number);
    const known = after.get(op);
    if (known !== undefined) return known;
    const next = this.#model.step(state, must(this.#ops[op], "an operation is numbered"));
    const reached = next === undefined ? impossible : this.#number(next);
    after.set(op, reached);
    return reached;
  }

  key(number: number): string {
    return this.#model.key(this.#node(number).state);
  }

  #node(number: number): Node<State> {
    return must(this.#nodes[number], "a state is numbered");
  }

  #number(state: State): number {
    const key = this.#model.key(state);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#nodes.length;
    this.#nodes.push({ state, after: new Map() });
    this.#numbers.set(key, number);
    return number;
  }
}
