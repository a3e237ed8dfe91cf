/**
 * The largest group of which every two can talk to each other: Bron and Kerbosch's search with a pivot (1973),
 * which is quick when nearly all can. Links can be missing in ways that make it long, so the searches of one plan stop
 * together after a number of looks at links, with the largest groups found by then; they are deterministic, so all who
 * ask find the same. An agent that thinks for longer misses the election that would end all this.
 */
import { assert } from "../../base/assert.ts";

/** Some tens of milliseconds. */
const maxLooks = 500_000;

export type Linked = (a: string, b: string) => boolean;

/** For each of `members` the largest group that contains it; among equals the one whose sorted names come first. */
export function largestCliques(
  members: readonly string[],
  everybody: readonly string[],
  linked: Linked,
): readonly (readonly string[])[] {
  const all = [...everybody].sort();
  if (all.every((a, at) => all.slice(at + 1).every((b) => linked(a, b)))) {
    return members.length === 0 ? [] : [all];
  }
  let looks = 0;
  const counted: Linked = (a, b) => {
    looks += 1;
    return linked(a, b);
  };
  return members.map((member) => {
    if (looks > maxLooks) return [member];
    const near = all.filter((id) => id !== member && counted(member, id));
    const search = new Search(counted, () => looks > maxLooks);
    search.expand([member], near, []);
    if (search.best.length === 0) return [member];
    assert(search.best.includes(member), "a group contains whom it was sought for");
    return search.best;
  });
}

class Search {
  best: readonly string[] = [];
  readonly #linked: Linked;
  readonly #isOver: () => boolean;

  constructor(linked: Linked, isOver: () => boolean) {
    this.#linked = linked;
    this.#isOver = isOver;
  }

  /** `group` can be extended by any of `open`; what would be found with any of `closed` was found already. */
  expand(group: readonly string[], open: readonly string[], closed: readonly string[]): void {
    if (group.length + open.length < this.best.length || this.#isOver()) return;
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
