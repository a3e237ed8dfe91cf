/**
 * The tree of generations as the observer sees it. In each of them Raft's promises hold by themselves, so each has its
 * own ghosts: leaders, votes, every entry ever seen and the committed ones. A log keeps what it has of the parent up to
 * the fork; but only what was committed there when the fork was made is surely what the parent itself went on with.
 */
import { type Entry, type Index, type NodeId, type Term } from "../../src/consensus/core/types.ts";
import { bootstrapGeneration } from "../../src/consensus/lineage/generation.ts";
import { type Generation } from "../../src/consensus/lineage/types.ts";
import { require } from "./violation.ts";

export const simulatedCluster = "simulated";

export interface Ghost {
  readonly entry: Entry;
  readonly previousTerm: Term;
}

export interface Committed {
  readonly entry: Entry;
  /** Term of the leader that committed it. */
  readonly inTerm: Term;
}

/** Terms of a run stay far below. */
const maxTerm = 1 << 20;

export class History {
  readonly generation: Generation;
  readonly parent: History | null;
  readonly leaders = new Map<Term, NodeId>();
  readonly votes = new Map<string, NodeId>();
  readonly committed: Committed[] = [];
  /** Who came into it from its parent, and did not leave it for another history since. */
  readonly adopters = new Set<NodeId>();
  /** So many entries were committed in the parent already. */
  readonly #inherited: Index;
  readonly #entries = new Map<number, Ghost>();

  constructor(
    generation: Generation,
    parent: History | null,
    inherited: readonly Committed[] = [],
  ) {
    this.generation = generation;
    this.parent = parent;
    this.#inherited = inherited.length;
    this.committed.push(...inherited);
  }

  get id(): string {
    return this.generation.id;
  }

  /** The generation on this path that an entry of a log at `index` was written in. */
  writerOf(index: Index): History {
    let history: History = this;
    while (history.parent !== null && index <= history.generation.forkIndex) {
      history = history.parent;
    }
    return history;
  }

  /** The generation on this path in which `index` was committed. */
  ownerOf(index: Index): History {
    let history: History = this;
    while (history.parent !== null && index <= history.#inherited) history = history.parent;
    return history;
  }

  /** Is what `other` has committed at `index` on this path? */
  holds(other: History, index: Index): boolean {
    return other.ownerOf(index) === this.ownerOf(index);
  }

  isWithin(other: History): boolean {
    for (let one: History | null = this; one !== null; one = one.parent) {
      if (one === other) return true;
    }
    return false;
  }

  ghost(index: Index, term: Term): Ghost | undefined {
    return this.writerOf(index).#entries.get(index * maxTerm + term);
  }

  /** The ghost that is known already, or undefined when this one is new. */
  see(entry: Entry, previousTerm: Term): Ghost | undefined {
    const writer = this.writerOf(entry.index);
    const key = entry.index * maxTerm + entry.term;
    const known = writer.#entries.get(key);
    if (known === undefined) writer.#entries.set(key, { entry, previousTerm });
    return known;
  }
}

/** What a coordinator's log held when it began a child: its term at an index; null for what it had compacted. */
export type LogOf = (coordinator: NodeId) => (index: Index) => Term | null;

export class Chronicles {
  readonly root: History = new History(bootstrapGeneration(simulatedCluster), null);
  readonly #histories = new Map<string, History>([[this.root.id, this.root]]);
  readonly #logOf: LogOf;

  constructor(logOf: LogOf) {
    this.#logOf = logOf;
  }

  get all(): readonly History[] {
    return [...this.#histories.values()];
  }

  /** Where `path` ends. */
  of(path: readonly Generation[]): History {
    const known = this.#histories.get(path.at(-1)?.id ?? "");
    if (known !== undefined) return known;
    let history = this.root;
    for (const generation of path) history = this.#child(history, generation);
    return history;
  }

  #child(parent: History, generation: Generation): History {
    const known = this.#histories.get(generation.id);
    if (known !== undefined) return known;
    require(generation.parent === parent.id, () =>
      `generation ${generation.id.slice(0, 8)} is no child of the one before it on its path`);
    const termAt = this.#logOf(generation.coordinator);
    const common = parent.committed.slice(0, generation.forkIndex);
    const differs = common.findIndex(
      ({ entry: { index, term } }) => (termAt(index) ?? term) !== term,
    );
    const inherited = differs < 0 ? common : common.slice(0, differs);
    const child = new History(generation, parent, inherited);
    this.#histories.set(generation.id, child);
    return child;
  }
}
