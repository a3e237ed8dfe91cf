/**
 * What must hold in every run, whatever fails (Raft paper, figure 3, and what clients are promised). The observer sees
 * every Ready, every message, every applied entry and every disk from outside; it keeps ghosts (all entries ever seen,
 * all committed ones) and never asks a core whether it thinks it is right.
 */
import { decodeConfiguration } from "../../src/consensus/core/config-codec.ts";
import {
  EntryType,
  type Entry,
  type HardState,
  type Index,
  type LogPosition,
  type Message,
  type NodeId,
  type ReadResult,
  type Ready,
  type RecoveredLog,
  type Term,
} from "../../src/consensus/core/types.ts";
import { hasQuorum, type VoterSets } from "../../src/consensus/core/quorum.ts";
import { type Lineage } from "../../src/consensus/lineage/types.ts";
import { type Chronicles } from "./chronicle.ts";
import { type GenerationInvariants } from "./generation-invariants.ts";
import { type NodeView, termIn } from "./node-view.ts";
import { require } from "./violation.ts";

export interface InvariantOptions {
  /** False: only consequences are checked, not how they come about (for broken twins). */
  readonly direct: boolean;
}

export interface Watched {
  readonly views: ReadonlyMap<NodeId, NodeView>;
  readonly chronicles: Chronicles;
  readonly generations: GenerationInvariants;
}

export class Invariants {
  readonly #options: InvariantOptions;
  readonly #reads = new Map<string, Index>();
  readonly #views: ReadonlyMap<NodeId, NodeView>;
  readonly #chronicles: Chronicles;
  readonly #generations: GenerationInvariants;
  #commit = 0;

  constructor(watched: Watched, options: InvariantOptions) {
    this.#views = watched.views;
    this.#chronicles = watched.chronicles;
    this.#generations = watched.generations;
    this.#options = options;
  }

  /** How many entries nodes showed as committed: the highest index, as long as there is one generation. */
  get commit(): Index {
    return this.#commit;
  }

  /** In the first generation. */
  committedEntry(index: Index): Entry | null {
    return this.#chronicles.root.committed[index - 1]?.entry ?? null;
  }

  /** A process starts with what its storage found: everything it ever vouched for must be there. */
  onStart(view: NodeView, recovered: RecoveredLog, lineage: Lineage): void {
    const { hardState, firstIndex, lastIndex, snapshot, termRuns } = recovered;
    this.#generations.onFound(view, lineage);
    const { history } = view;
    this.#remembers(view, recovered);
    const base = firstIndex - 1;
    const baseTerm = snapshot?.index === base ? snapshot.term : view.durable.termAt(base);
    view.image.length = 0;
    view.imageBase = {
      index: base,
      term: baseTerm ?? history.committed[base - 1]?.entry.term ?? 0,
    };
    let run = 0;
    for (let index = firstIndex; index <= lastIndex; index += 1) {
      while ((termRuns[run + 1]?.first ?? Infinity) <= index) run += 1;
      const term = termRuns[run]?.term ?? -1;
      const known = history.ghost(index, term);
      require(known !== undefined, () =>
        `${view.id} finds an entry ${index}/${term} that nobody wrote`);
      view.image.push(known.entry);
    }
    for (const entry of recovered.tail) {
      const known = view.image[entry.index - firstIndex];
      require(known !== undefined && sameEntry(known, entry), () =>
        `${view.id} finds another entry ${entry.index}/${entry.term} than was written`);
    }
    view.term = hardState.term;
    view.commit = Math.max(hardState.commit, recovered.applied);
    view.leads = null;
    view.sets = recovered.configs.at(-1)?.sets ?? [];
    this.#agreesWithCommitted(view);
  }

  #remembers(view: NodeView, { hardState, lastIndex, firstIndex }: RecoveredLog): void {
    const { promise, acknowledged } = view;
    const kept =
      hardState.term > promise.term ||
      (hardState.term === promise.term && (promise.vote ?? hardState.vote) === hardState.vote);
    require(kept, () =>
      `${view.id} forgot its vote: ${promise.vote ?? "-"} in term ${promise.term}, found ${hardState.vote ?? "-"} in ${hardState.term}`);
    const end = Math.max(lastIndex, firstIndex - 1);
    require(end >= acknowledged, () =>
      `${view.id} acknowledged entry ${acknowledged}, and finds its log ending at ${end}`);
  }

  /** What is committed and was acknowledged here is here. */
  #agreesWithCommitted(view: NodeView): void {
    const end = Math.min(view.acknowledged, view.history.committed.length, view.commit);
    for (let index = view.imageBase.index + 1; index <= end; index += 1) {
      this.#matchesCommitted(view, index, termIn(view, index));
    }
  }

  onReady(view: NodeView, ready: Ready, sets: () => VoterSets): void {
    const { append, soft, committed } = ready;
    if (soft?.role === "leader") this.#onSoft(view, soft);
    if (append !== null) {
      this.#onWrite(view, append);
      if (append.hardState !== null) this.#onHardState(view, append.hardState, sets);
    }
    if (ready.config !== null) view.sets = ready.config.effective.sets;
    if (soft !== null && soft.role !== "leader") this.#onSoft(view, soft);
    for (const entry of committed) this.#onCommitted(view, entry);
  }

  #onWrite(view: NodeView, append: NonNullable<Ready["append"]>): void {
    const { truncateFrom, entries, snapshot } = append;
    if (snapshot !== null) {
      view.image.length = 0;
      view.imageBase = { index: snapshot.index, term: snapshot.term };
      this.#matchesCommitted(view, snapshot.index, snapshot.term);
    }
    if (truncateFrom !== null) {
      require(truncateFrom > view.commit, () => `${view.id} truncates committed ${truncateFrom}`);
      require(view.leads === null || append.hardState?.term !== view.leads, () =>
        `${view.id} leads term ${view.leads ?? 0} and truncates its log at ${truncateFrom}`);
      view.image.length = truncateFrom - view.imageBase.index - 1;
      view.acknowledged = Math.min(view.acknowledged, truncateFrom - 1);
    }
    for (const entry of entries) {
      const last = view.image.at(-1) ?? view.imageBase;
      require(entry.index === last.index + 1, () =>
        `${view.id} leaves a gap before ${entry.index}`);
      this.#logMatching(view, entry, last.term);
      if (this.#options.direct && isConfig(entry)) {
        this.#oneChangeAtATime(view, entry, append.hardState?.commit ?? 0);
      }
      view.image.push(entry);
    }
  }

  /**
   * On the leader, a configuration is appended only when the one before it is committed (C1). Only one of two that goes
   * on alone may have changes of standbys pending, which are nobody's quorum.
   */
  #oneChangeAtATime(view: NodeView, entry: Entry, commit: Index): void {
    if (view.leads !== entry.term) return;
    const known = Math.max(commit, view.history.committed.length);
    const pending = view.image.filter((one) => isConfig(one) && one.index > known);
    if (pending.length === 0) return;
    const [alone, ...others] = votersOf(entry);
    const before = view.image.findLast((one) => isConfig(one) && one.index <= known) ?? pending[0];
    const pair = votersOf(before);
    const isEviction = alone === view.id && others.length === 0 && pair.length === 2;
    const isNeutral = pending.every((one) => votersOf(one).join() === pair.join());
    require(isEviction && isNeutral && pair.includes(view.id), () =>
      `${view.id} appends configuration ${entry.index} before ${pending[0]?.index ?? 0} is committed`);
  }

  /** Log matching: index and term identify an entry and everything before it. */
  #logMatching(view: NodeView, entry: Entry, previousTerm: Term): void {
    const known = view.history.see(entry, previousTerm);
    if (known === undefined) {
      this.#generations.onNewEntry(view, entry);
      return;
    }
    const same = known.previousTerm === previousTerm && sameEntry(known.entry, entry);
    require(same, () => `log matching: ${view.id} has another entry ${entry.index}/${entry.term}`);
  }

  #onHardState(view: NodeView, { term, commit }: HardState, sets: () => VoterSets): void {
    require(term >= view.term, () => `${view.id} goes back from term ${view.term} to ${term}`);
    require(commit >= view.commit, () =>
      `${view.id} goes back from commit ${view.commit} to ${commit}`);
    view.term = term;
    if (commit > view.history.committed.length) this.#newlyCommitted(view, commit, sets());
    else if (commit > 0 && commit > view.imageBase.index) {
      this.#matchesCommitted(view, commit, termIn(view, commit));
    }
    view.commit = commit;
  }

  #newlyCommitted(view: NodeView, commit: Index, sets: VoterSets): void {
    const term = termIn(view, commit) ?? -1;
    // One that stepped down in the same turn committed before, in the term it led.
    const inTerm = view.leads;
    require(inTerm !== null, () => `${view.id} commits ${commit}/${term} without leading`);
    if (this.#options.direct) {
      require(term === inTerm, () =>
        `${view.id} commits ${commit}/${term} of another term by counting, in term ${inTerm}`);
    }
    this.#generations.onActs(view, "commits");
    const durable = (id: NodeId): boolean => this.#holds(id, view, { index: commit, term });
    // A change may have been appended in the same turn: the one before it counted.
    require(hasQuorum(sets, durable) || hasQuorum(view.sets, durable), () =>
      `${view.id} commits ${commit}/${term}, which is not durable on a quorum`);
    const { committed } = view.history;
    for (let index = committed.length + 1; index <= commit; index += 1) {
      const entry = view.image[index - view.imageBase.index - 1];
      require(entry !== undefined, () => `${view.id} commits ${index}, which it does not hold`);
      committed.push({ entry, inTerm });
      this.#commit += 1;
      this.#generations.onCommitted(view, index);
    }
  }

  /** On its disk, or given to the history for which it left this one. */
  #holds(id: NodeId, { history }: NodeView, { index, term }: LogPosition): boolean {
    const other = this.#views.get(id);
    if (other === undefined) return false;
    const sameLog = other.history.writerOf(index) === history.writerOf(index);
    if (sameLog && other.durable.holds(index, term)) return true;
    // It died while its disk cleared the log: what it had was given before.
    const clears = other.history === history && other.writes.some((write) => write.clears);
    if (clears && other.imageBase.index + other.image.length >= index) return true;
    return other.left.some((one) => one.history === history && one.end >= index);
  }

  #matchesCommitted({ id, history }: NodeView, index: Index, term: Term | null): void {
    const known = history.committed[index - 1];
    require(known === undefined || known.entry.term === term, () =>
      `${id} holds ${index}/${term ?? "-"} as committed, others ${index}/${known?.entry.term ?? "-"}`);
  }

  #onSoft(view: NodeView, { role, term }: NonNullable<Ready["soft"]>): void {
    view.leads = role === "leader" ? term : null;
    if (role === "leader") this.#onLeader(view, term);
  }

  /** Election safety, and leader completeness. */
  #onLeader(view: NodeView, term: Term): void {
    const { leaders, committed } = view.history;
    const known = leaders.get(term) ?? view.id;
    require(known === view.id, () => `election safety: ${known} and ${view.id} lead term ${term}`);
    if (leaders.has(term)) return;
    leaders.set(term, view.id);
    this.#generations.onActs(view, "leads");
    const last = committed.findLast(({ inTerm }) => inTerm < term);
    if (last === undefined || last.entry.index <= view.imageBase.index) return;
    const { index, term: entryTerm } = last.entry;
    require(termIn(view, index) === entryTerm, () =>
      `leader completeness: ${view.id} leads term ${term} without committed ${index}/${entryTerm}`);
  }

  #onCommitted(view: NodeView, entry: Entry): void {
    const known = view.history.committed[entry.index - 1];
    require(known !== undefined && sameEntry(known.entry, entry), () =>
      `state machine safety: ${view.id} applies another entry ${entry.index}/${entry.term}`);
    if (!this.#options.direct) return;
    require(view.durable.holds(entry.index, entry.term), () =>
      `${view.id} applies ${entry.index}/${entry.term} before its disk has it`);
  }

  /** Called when a message leaves its sender, to others or to itself. */
  onSend(view: NodeView, message: Message): void {
    if (message.type === "VoteResp" && message.granted) this.#onVote(view, message);
    else if (message.type === "AppendResp" && message.ok) this.#onAcknowledged(view, message);
  }

  #onVote(view: NodeView, { from, to, term }: Message): void {
    const { votes } = view.history;
    const known = votes.get(`${from}/${term}`) ?? to;
    require(known === to, () => `${from} votes for ${known} and ${to} in term ${term}`);
    votes.set(`${from}/${term}`, to);
    this.#generations.onActs(view, "votes");
    if (term >= view.promise.term) view.promise = { term, vote: to };
    if (!this.#options.direct) return;
    const { hardState } = view.durable;
    const durable = hardState.term > term || (hardState.term === term && hardState.vote === to);
    require(durable, () => `${view.id} grants a vote in term ${term} that is not durable`);
  }

  #onAcknowledged(view: NodeView, message: Message & { readonly type: "AppendResp" }): void {
    const { term, index } = message;
    this.#generations.onActs(view, "acknowledges");
    if (term > view.promise.term) view.promise = { term, vote: null };
    // An acknowledgement of an earlier term speaks of a log that was durable before the newer one.
    const old = term < view.durable.hardState.term;
    // And one that the core has taken back meanwhile (it follows a newer leader) binds nobody.
    if (!old && term >= view.term) view.acknowledged = Math.max(view.acknowledged, index);
    if (!this.#options.direct) return;
    require(old || index <= view.durable.last, () =>
      `${view.id} acknowledges ${index}, which is not durable`);
  }

  onRead(view: NodeView, life: number, context: number): void {
    this.#reads.set(`${view.id}/${life}/${context}`, view.history.committed.length);
  }

  onReadResult(view: NodeView, life: number, { context, index, ok }: ReadResult): void {
    const key = `${view.id}/${life}/${context}`;
    const atLeast = this.#reads.get(key);
    require(atLeast !== undefined, () => `${view.id} answers a read twice, or one nobody asked`);
    this.#reads.delete(key);
    if (ok) this.#generations.onActs(view, "answers a read");
    require(!ok || index >= atLeast, () =>
      `stale read: ${view.id} answers ${index}, committed was ${atLeast}`);
  }
}

function sameEntry(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  if (a.index !== b.index || a.term !== b.term || a.type !== b.type) return false;
  return a.data === b.data || Buffer.compare(a.data, b.data) === 0;
}

function votersOf(entry: Entry | undefined): readonly string[] {
  if (entry === undefined) return [];
  return decodeConfiguration(entry.data, entry.index)?.sets.flat() ?? [];
}

function isConfig({ type }: Entry): boolean {
  return type === EntryType.config || type === EntryType.forceConfig;
}
