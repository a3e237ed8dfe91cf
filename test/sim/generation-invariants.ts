/**
 * What must hold where a history becomes several, and several become one (consensus.md, G1 to G5 and G7; G6 is in
 * winner-order.ts). The observer sees every change of lineage as it is asked of a disk and as it is found again, and
 * every answer that says so.
 */
import { canonicalJson } from "../../src/base/json.ts";
import { EntryType, type Entry, type Index } from "../../src/consensus/core/types.ts";
import { type LogWrite } from "../../src/consensus/driver/ports.ts";
import { currentGeneration } from "../../src/consensus/lineage/generation.ts";
import { type PromiseAnswer } from "../../src/consensus/lineage/ports.ts";
import { type Ballot, type Lineage, type LineageHello } from "../../src/consensus/lineage/types.ts";
import { type Chronicles, type History } from "./chronicle.ts";
import { type Ledger } from "./ledger.ts";
import { type LineageWrite, type NodeView } from "./node-view.ts";
import { require } from "./violation.ts";
import { type WinnerOrder } from "./winner-order.ts";

export class GenerationInvariants {
  readonly #chronicles: Chronicles;
  readonly #ledger: Ledger;
  readonly #winners: WinnerOrder;
  readonly #direct: boolean;
  readonly #nowMs: () => number;
  /** How often what happened, for the report of a run. */
  readonly counts = { forced: 0, adopted: 0, reset: 0 };

  /** @param direct false: consequences only, not how they come about (for broken twins). */
  constructor(
    watched: {
      readonly chronicles: Chronicles;
      readonly ledger: Ledger;
      readonly winners: WinnerOrder;
      readonly nowMs: () => number;
    },
    { direct }: { readonly direct: boolean },
  ) {
    this.#chronicles = watched.chronicles;
    this.#ledger = watched.ledger;
    this.#winners = watched.winners;
    this.#nowMs = watched.nowMs;
    this.#direct = direct;
  }

  /** A process asks its disk to change its lineage. `leads`: a leader with a quorum is in sight. */
  onWrite(view: NodeView, write: LogWrite, seesLeader: boolean): LineageWrite | null {
    const { lineage } = write;
    if (lineage === undefined) return null;
    const made = { lineage, clears: write.clear === true, done: false };
    view.writes.push(made);
    const next = this.#chronicles.of(lineage.generations);
    if (next === view.history && !made.clears) this.#onPromise(view, seesLeader);
    else this.#onMove(view, next, write);
    return made;
  }

  #onPromise(view: NodeView, seesLeader: boolean): void {
    const known = view.told?.history === view.history && seesLeader ? view.told : null;
    if (view.gaveUp?.history === view.history) return;
    view.gaveUp = known === null ? null : { ...known, atMs: this.#nowMs() };
  }

  #onMove(view: NodeView, next: History, write: LogWrite): void {
    const { history, durable } = view;
    if (write.clear === true) {
      const { gaveUp } = view;
      const reigned = gaveUp?.history === history && this.#nowMs() - gaveUp.atMs < sameDepartureMs;
      // G7: a quorum that never promised does not lose to those who went on without it.
      require(!reigned || next === history || !next.isWithin(history), () =>
        `G7: ${view.id} leaves ${name(history)}, led by ${gaveUp?.leader ?? ""}, for its child ${name(next)}`);
      this.#ledger.requireKept(view.id, { history, end: sharedEnd(view) }, next);
      return;
    }
    require(next.isWithin(history), () =>
      `G1: ${view.id} goes from ${name(history)} to ${name(next)}, which does not come from it`);
    const force = write.entries.find(({ type }) => type === EntryType.forceConfig);
    if (force === undefined) return;
    next.see(force, next.generation.forkTerm);
    if (!this.#direct) return;
    require(force.index === durable.last + 1 && write.truncateFrom === null, () =>
      `${view.id} begins ${name(next)} at ${force.index}, its log ends at ${durable.last}`);
  }

  /** An engine starts with what the disk holds: the last lineage it said it wrote, or one that was under way. */
  onFound(view: NodeView, lineage: Lineage): void {
    const { writes } = view;
    const least = writes.findLastIndex(({ done }) => done);
    const at = writes.findLastIndex((one) => same(one.lineage, lineage));
    const before = view.lineage;
    const isOld = before !== null && at < 0 && least < 0 && same(before, lineage);
    const known = before === null || isOld || (at >= least && at >= 0);
    require(known, () => `${view.id} finds a lineage that is not the last one it wrote`);
    let from = before ?? lineage;
    for (const write of writes.slice(0, at + 1)) {
      this.#moved(view, from, write);
      from = write.lineage;
    }
    writes.length = 0;
    view.lineage = lineage;
    view.history = this.#chronicles.of(lineage.generations);
  }

  #moved(view: NodeView, from: Lineage, { lineage, clears }: LineageWrite): void {
    const before = this.#chronicles.of(from.generations);
    const after = this.#chronicles.of(lineage.generations);
    if (before === after && !clears) return;
    view.left.push({ history: before, end: view.imageBase.index + view.image.length });
    view.promise = { term: view.promise.term, vote: null };
    view.fenced = null;
    view.gaveUp = null;
    if (clears) {
      this.counts.reset += 1;
      view.acknowledged = 0;
      for (const one of this.#chronicles.all) one.adopters.delete(view.id);
      return;
    }
    for (let one: History | null = after; one !== null && one !== before; one = one.parent) {
      one.adopters.add(view.id);
      view.acknowledged = Math.min(view.acknowledged, one.generation.forkIndex);
    }
    const forced = after.parent === before && after.generation.coordinator === view.id;
    this.counts[forced ? "forced" : "adopted"] += 1;
  }

  /** G4: a generation begins with its ForceConfig, and has one only. */
  onNewEntry({ id, history }: NodeView, entry: Entry): void {
    const owner = history.writerOf(entry.index);
    const isFirst = owner.parent !== null && entry.index === owner.generation.forkIndex + 1;
    require(isFirst === (entry.type === EntryType.forceConfig), () =>
      `G4: ${id} has entry ${entry.index}/${entry.term} of type ${entry.type} in ${name(owner)}`);
  }

  /**
   * G3: of two children of one generation no member adopted both. And a generation that begins with proof holds all
   * that its parent ever commits.
   */
  onCommitted({ id, history }: NodeView, index: Index): void {
    for (const child of this.#chronicles.all) {
      const { kind, forkIndex } = child.generation;
      if (kind !== "forced-proof" || child.committed.length <= forkIndex) continue;
      const committed = child.parent === history ? index : (child.parent?.committed.length ?? 0);
      const concerns = child.parent === history || child === history;
      require(!concerns || committed <= forkIndex, () =>
        `${name(child)} was begun with proof behind ${forkIndex}, and its parent commits ${committed}`);
    }
    if (history.parent === null || index !== history.generation.forkIndex + 1) return;
    for (const other of this.#chronicles.all) {
      const begun = other.committed.length > other.generation.forkIndex;
      if (other === history || other.parent !== history.parent || !begun) continue;
      const both = [...other.adopters].filter((one) => history.adopters.has(one));
      require(both.length === 0, () =>
        `G3: ${both.join(" ")} adopted ${name(other)} and ${name(history)}, which ${id} commits`);
    }
  }

  /** G2: whoever said that it left a generation acts in it no more. */
  onActs({ id, fenced, history }: NodeView, what: string): void {
    require(fenced !== history || fenced === null, () =>
      `G2: ${id} ${what} in ${name(history)}, after it promised not to`);
  }

  /** An agent tells others where it is, and which leader, with a quorum, it sees. */
  onTold(view: NodeView, hello: LineageHello): void {
    const { leader } = hello;
    this.#winners.onTold(hello);
    view.told = leader === null ? null : { history: view.history, leader };
  }

  /** A promise leaves its agent: it must be on disk, and holds from now on. */
  onGranted(view: NodeView, asked: Ballot, { promise }: PromiseAnswer): void {
    if (promise === null || promise.parent !== view.history.id) return;
    view.fenced = view.history;
    if (!this.#direct) return;
    const held = view.durable.lineage?.promise ?? null;
    const known = held?.parent === promise.parent && compare(held.ballot, asked) >= 0;
    require(known || currentIdOf(view) !== promise.parent, () =>
      `${view.id} promises to leave ${name(view.history)}, which is not durable`);
  }
}

/** Between giving up a generation and starting over in another one, unless something went wrong between. */
const sameDepartureMs = 10_000;

function currentIdOf({ durable }: NodeView): string | null {
  return durable.lineage === null ? null : currentGeneration(durable.lineage).id;
}

function compare(a: Ballot, b: Ballot): number {
  return a.counter - b.counter || (a.node < b.node ? -1 : Number(a.node > b.node));
}

function name({ generation: { n, id } }: History): string {
  return `generation ${n}/${id.slice(0, 8)}`;
}

/** As far as its log is that of its history: what an earlier leader left behind was replaced in the others' logs. */
function sharedEnd({ durable, history: { committed } }: NodeView): Index {
  const isShared = (index: Index): boolean =>
    durable.holds(index, committed[index - 1]?.entry.term ?? -1);
  let end = Math.min(durable.last, committed.length);
  while (end > 0 && !isShared(end)) end -= 1;
  return end;
}

function same(a: Lineage, b: Lineage): boolean {
  return a === b || canonicalJson(a) === canonicalJson(b);
}
