/** The memory of configurations against sets of strings, with enough of them to grow and to collide. */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Configurations } from "../../linearizability/configurations.ts";

const it = suite("linearizability: configurations");
const sizes = { finished: 100, unfinished: 40 };
const plenty = 1 << 26;

/** What was entered, by finished operations and state: the sets of unfinished ones. */
class Plain {
  readonly finished = new Set<number>();
  readonly unfinished = new Set<number>();
  readonly #known = new Map<string, Set<number>[]>();

  enter(state: number): boolean {
    const key = JSON.stringify([state, [...this.finished].sort((a, b) => a - b)]);
    const alike = this.#known.get(key) ?? [];
    if (alike.some((known) => [...known].every((member) => this.unfinished.has(member))))
      return false;
    this.#known.set(key, [...alike, new Set(this.unfinished)]);
    return true;
  }
}

function flip(members: Set<number>, member: number): void {
  if (!members.delete(member)) members.add(member);
}

/** Flips a whole block at times, so that words become full and the same bits occur in different words. */
const move = fc.record({
  finished: fc.nat(sizes.finished - 1),
  length: fc.constantFrom(1, 1, 1, 32),
  unfinished: fc.option(fc.nat(sizes.unfinished - 1)),
  state: fc.nat(1),
});

it("enters what sets of strings would, and nothing that used more unfinished operations", () => {
  fc.assert(
    fc.property(fc.array(move, { minLength: 500, maxLength: 1500, size: "max" }), (moves) => {
      const configurations = new Configurations(sizes, plenty);
      const plain = new Plain();
      for (const { finished, length, unfinished, state } of moves) {
        const first = length === 1 ? finished % 8 : finished - (finished % 32);
        for (let i = first; i < Math.min(first + length, sizes.finished); i += 1) {
          configurations.finished.flip(i);
          flip(plain.finished, i);
        }
        if (unfinished !== null) {
          configurations.unfinished.flip(unfinished);
          flip(plain.unfinished, unfinished);
        }
        assert.is(configurations.enter(state), plain.enter(state));
      }
    }),
    { numRuns: 100 },
  );
});

it("forgets nothing while it grows", () => {
  const configurations = new Configurations(sizes, plenty);
  const states = Array.from({ length: 20_000 }, (_, state) => state);
  assert.ok(states.every((state) => configurations.enter(state)));
  assert.not.ok(states.some((state) => configurations.enter(state)));
});

it("says when it is full, and enters nothing more", () => {
  const configurations = new Configurations(sizes, 1 << 16);
  const entered = Array.from({ length: 20_000 }, (_, state) => configurations.enter(state));
  assert.ok(configurations.full);
  assert.ok(entered.indexOf(false) > 100 && entered.lastIndexOf(true) < entered.indexOf(false));
});

it.run();
