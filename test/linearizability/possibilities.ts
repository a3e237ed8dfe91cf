/**
 * Turns a model in which an operation may have one of several effects into a deterministic one, whose state is the
 * set of states the object may be in (the subset construction of automata). For writes whose client was told
 * something, but not whether they lasted: a write that a survivor's generation may have dropped, for example.
 */
import { type Model } from "./model.ts";

export interface UncertainModel<State, Op> extends Omit<Model<State, Op>, "step" | "isRead"> {
  /** All states that `op` can lead to; none when its result cannot come from `state`. */
  steps(state: State, op: Op): readonly State[];
}

export function possibilities<State, Op>(
  model: UncertainModel<State, Op>,
): Model<ReadonlyMap<string, State>, Op> {
  return {
    initial: new Map([[model.key(model.initial), model.initial]]),
    step(states, op) {
      const after = new Map<string, State>();
      for (const state of states.values()) {
        for (const next of model.steps(state, op)) after.set(model.key(next), next);
      }
      return after.size === 0 ? undefined : after;
    },
    // A read rules possibilities out, so it changes the set.
    isRead: () => false,
    key: (states) => JSON.stringify([...states.keys()].sort()),
    part: (op) => model.part(op),
    describe: (op) => model.describe(op),
  };
}
