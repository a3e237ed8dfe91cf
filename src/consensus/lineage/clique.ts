/**
 * The largest group of which every two can talk to each other: Bron and Kerbosch's search with a pivot (1973),
 * which is quick when nearly all can. Links can be missing in ways that make it long, so it stops after a number of
 * steps with the largest group found by then; it is deterministic, so all who ask find the same.
 */
import { assert } from "../../base/assert.ts";

const maxSteps = 20_000;

export type Linked = (a: string, b: string) => boolean;

/** The largest group that contains `member`; among equals the one whose sorted names come first. */
export function largestClique(
  member: string,
  everybody: readonly string[],
  linked: Linked,
): readonly string[] {
  const near = everybody.filter((id) => id !== member && linked(member, id)).sort();
  const search = new Search(linked);
  search.expand([member], near, []);
  assert(search.best.includes(member), "a group contains whom it was sought for");
  return search.best;
}

class Search {
  best: readonly string[] = [];
  readonly #linked: Linked;
  #steps = 0;

  constructor(linked: Linked) {
    this.#linked = linked;
  }

  /** `group` can be extended by any of `open`; what would be found with any of `closed` was found already. */
  expand(group: readonly string[], open: readonly string[], closed: readonly string[]): void {
    this.#steps += 1;
    if (group.length + open.length < this.best.length || this.#steps > maxSteps) return;
    if (open.length === 0) {
      if (closed.length === 0) this.#found([...group].sort());
      return;
    }
    const pivot = this.#pivot(open, closed);
    let left = [...open];
    const done = [...closed];
    for (const id of open.filter((one) => one === pivot || !this.#linked(one, pivot))) {
      const near = (other: string): boolean => other !== id && this.#linked(other, id);
      this.expand([...group, id], left.filter(near), done.filter(near));
      left = left.filter((one) => one !== id);
      done.push(id);
    }
  }

  /** Whoever talks to most: only groups with it, or with one it cannot talk to, need a look. */
  #pivot(open: readonly string[], closed: readonly string[]): string {
    let pivot = open[0] ?? "";
    let most = -1;
    for (const id of [...open, ...closed]) {
      const count = open.filter((other) => other !== id && this.#linked(other, id)).length;
      if (count > most) [pivot, most] = [id, count];
      if (count >= open.length - 1) break;
    }
    return pivot;
  }

  #found(group: readonly string[]): void {
    const more = group.length - this.best.length;
    if (more > 0 || (more === 0 && group.join() < this.best.join())) this.best = group;
  }
}
