/**
 * What must hold in every run, whatever fails (Raft paper, figure 3, and what clients are promised). The observer sees
 * every Ready, every message and every disk from outside; it keeps ghosts (all entries ever seen, all committed
 * ones) and never asks a core whether it thinks it is right.
 */
import {
  EntryType,
  type Entry,
  type Index,
  type Message,
  type NodeId,
  type ReadResult,
  type Ready,
  type Term,
} from "../../src/consensus/core/types.ts";
import { hasQuorum } from "../../src/consensus/core/quorum.ts";
import { type SimDisk } from "./disk.ts";
import { type MachineState } from "./machine.ts";
import { require } from "./violation.ts";

interface Ghost {
  readonly entry: Entry;
  readonly previousTerm: Term;
}

interface Committed {
  readonly entry: Entry;
  /** Term of the leader that committed it. */
  readonly inTerm: Term;
}

export interface NodeView {
  readonly id: NodeId;
  readonly disk: SimDisk;
  /** The log as the core handed it out, durable or not: entries behind `imageBase`. */
  readonly image: Entry[];
  imageBase: { index: Index; term: Term };
  term: Term;
  commit: Index;
}

export interface InvariantOptions {
  /** False: only consequences are checked, not that acknowledgements wait for the disk. */
  readonly direct: boolean;
}

export class Invariants {
  readonly #options: InvariantOptions;
  readonly #leaders = new Map<Term, NodeId>();
  readonly #votes = new Map<string, NodeId>();
  readonly #entries = new Map<string, Ghost>();
  readonly #committed: Committed[] = [];
  readonly #hashes = new Map<Index, number>();
  readonly #reads = new Map<number, Index>();
  readonly #views: ReadonlyMap<NodeId, NodeView>;

  constructor(views: ReadonlyMap<NodeId, NodeView>, options: InvariantOptions) {
    this.#views = views;
    this.#options = options;
  }

  /** The highest index that any node ever showed as committed. */
  get commit(): Index {
    return this.#committed.length;
  }

  /** The payload committed at `index`, as text. */
  committedText(index: Index): string | null {
    const known = this.#committed[index - 1];
    return known === undefined ? null : new TextDecoder().decode(known.entry.data);
  }

  onReady(view: NodeView, ready: Ready, sets: readonly (readonly NodeId[])[]): void {
    const { append, soft, committed } = ready;
    if (append !== null) {
      this.#onWrite(view, append);
      if (append.hardState !== null) this.#onHardState(view, append.hardState, sets);
    }
    if (soft?.role === "leader") this.#onLeader(view, soft.term);
    for (const entry of committed) this.#onCommitted(view, entry);
  }

  #onWrite(view: NodeView, append: NonNullable<Ready["append"]>): void {
    const { truncateFrom, entries, snapshot } = append;
    if (snapshot !== null) {
      view.image.length = 0;
      view.imageBase = { index: snapshot.index, term: snapshot.term };
      this.#matchesCommitted(view.id, snapshot.index, snapshot.term);
    }
    if (truncateFrom !== null) {
      require(truncateFrom > view.commit, () => `${view.id} truncates committed ${truncateFrom}`);
      view.image.length = truncateFrom - view.imageBase.index - 1;
    }
    for (const entry of entries) {
      const last = view.image.at(-1) ?? view.imageBase;
      require(entry.index === last.index + 1, () =>
        `${view.id} leaves a gap before ${entry.index}`);
      this.#logMatching(view.id, entry, last.term);
      view.image.push(entry);
    }
  }

  /** Log matching: index and term identify an entry and everything before it. */
  #logMatching(id: NodeId, entry: Entry, previousTerm: Term): void {
    const key = `${entry.index}/${entry.term}`;
    const known = this.#entries.get(key);
    if (known === undefined) {
      this.#entries.set(key, { entry, previousTerm });
      return;
    }
    const same = known.previousTerm === previousTerm && sameEntry(known.entry, entry);
    require(same, () => `log matching: ${id} has another entry ${key}`);
  }

  #onHardState(
    view: NodeView,
    { term, commit }: { readonly term: Term; readonly commit: Index },
    sets: readonly (readonly NodeId[])[],
  ): void {
    require(term >= view.term, () => `${view.id} goes back from term ${view.term} to ${term}`);
    require(commit >= view.commit, () =>
      `${view.id} goes back from commit ${view.commit} to ${commit}`);
    view.term = term;
    if (commit > this.#committed.length) this.#newlyCommitted(view, commit, sets);
    else if (commit > 0 && commit > view.imageBase.index) {
      this.#matchesCommitted(view.id, commit, termIn(view, commit));
    }
    view.commit = commit;
  }

  #newlyCommitted(view: NodeView, commit: Index, sets: readonly (readonly NodeId[])[]): void {
    const term = termIn(view, commit) ?? -1;
    require(this.#leaders.get(view.term) === view.id, () => `${view.id} commits without leading`);
    require(hasQuorum(sets, (id) => this.#views.get(id)?.disk.holds(commit, term) ?? false), () =>
      `${view.id} commits ${commit}/${term}, which is not durable on a quorum`);
    for (let index = this.#committed.length + 1; index <= commit; index += 1) {
      const entry = view.image[index - view.imageBase.index - 1];
      if (entry === undefined) throw new Error(`${view.id} has no image of entry ${index}`);
      this.#committed.push({ entry, inTerm: view.term });
    }
  }

  #matchesCommitted(id: NodeId, index: Index, term: Term | null): void {
    const known = this.#committed[index - 1];
    require(known === undefined || known.entry.term === term, () =>
      `${id} holds ${index}/${term ?? "-"} as committed, others ${index}/${known?.entry.term ?? "-"}`);
  }

  /** Election safety, and leader completeness. */
  #onLeader(view: NodeView, term: Term): void {
    const known = this.#leaders.get(term) ?? view.id;
    require(known === view.id, () => `election safety: ${known} and ${view.id} lead term ${term}`);
    this.#leaders.set(term, view.id);
    const last = this.#committed.findLast(({ inTerm }) => inTerm < term);
    if (last === undefined || last.entry.index <= view.imageBase.index) return;
    const { index, term: entryTerm } = last.entry;
    require(termIn(view, index) === entryTerm, () =>
      `leader completeness: ${view.id} leads term ${term} without committed ${index}/${entryTerm}`);
  }

  #onCommitted(view: NodeView, entry: Entry): void {
    const known = this.#committed[entry.index - 1];
    require(known !== undefined && sameEntry(known.entry, entry), () =>
      `state machine safety: ${view.id} applies another entry ${entry.index}/${entry.term}`);
    require(view.disk.holds(entry.index, entry.term), () => `${view.id} applies before its disk`);
  }

  onApplied(id: NodeId, { index, hash }: MachineState): void {
    const known = this.#hashes.get(index);
    require(known === undefined || known === hash, () => `${id}: another state at ${index}`);
    this.#hashes.set(index, hash);
  }

  /** Called when a message leaves its sender. */
  onSend(view: NodeView, message: Message): void {
    if (message.type === "VoteResp" && message.granted) this.#onVote(message);
    if (!this.#options.direct) return;
    if (message.type === "AppendResp" && message.ok) {
      // An acknowledgement of an earlier term speaks of a log that was durable before the newer one.
      const old = message.term < view.disk.hardState.term;
      const durable = old || message.index <= view.disk.last;
      require(durable, () => `${view.id} acknowledges ${message.index}, which is not durable`);
    } else if (message.type === "VoteResp" && message.granted) {
      const { term, vote } = view.disk.hardState;
      const durable = term > message.term || (term === message.term && vote === message.to);
      require(durable, () =>
        `${view.id} grants a vote in term ${message.term} that is not durable`);
    }
  }

  #onVote({ from, to, term }: Message): void {
    const known = this.#votes.get(`${from}/${term}`) ?? to;
    require(known === to, () => `${from} votes for ${known} and ${to} in term ${term}`);
    this.#votes.set(`${from}/${term}`, to);
  }

  onRead(context: number): void {
    this.#reads.set(context, this.commit);
  }

  onReadResult(id: NodeId, { context, index, ok }: ReadResult): void {
    const atLeast = this.#reads.get(context);
    require(atLeast !== undefined, () => `${id} answers a read twice, or one nobody asked`);
    this.#reads.delete(context);
    if (!ok || atLeast === undefined) return;
    require(index >= atLeast, () => `stale read: ${id} answers ${index}, committed was ${atLeast}`);
  }
}

function sameEntry(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  if (a.index !== b.index || a.term !== b.term || a.type !== b.type) return false;
  return a.data.length === b.data.length && a.data.every((byte, i) => byte === b.data[i]);
}

export function termIn(view: NodeView, index: Index): Term | null {
  if (index === view.imageBase.index) return view.imageBase.term;
  return view.image[index - view.imageBase.index - 1]?.term ?? null;
}

export function isConfig(entry: Entry): boolean {
  return entry.type === EntryType.config;
}
