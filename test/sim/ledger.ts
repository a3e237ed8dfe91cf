/**
 * Where every value that clients wrote went: which generation applied it, at which index, and what merges made of it.
 * All values of a run are different, so a value tells which write it was. I14: whatever clients were told is written
 * is in the history that is left, was overwritten by what is, or is in its journal.
 */
import { type Index, type NodeId } from "../../src/consensus/core/types.ts";
import { type InventoryView } from "../../src/inventory/view.ts";
import { type History } from "./chronicle.ts";
import { require } from "./violation.ts";

interface Place {
  readonly value: string;
  readonly history: History;
  readonly index: Index;
  /** A journal keeps what it has; what a frozen agent applied last may be in no other history. */
  readonly kind: "state" | "journal" | "tail";
  readonly merged: boolean;
}

/** What was acknowledged. */
export interface Receipt {
  readonly key: string;
  readonly value: string;
}

export class Ledger {
  readonly #places = new Map<string, Place[]>();
  readonly #ofKey = new Map<string, Place[]>();
  readonly #receipts: Receipt[] = [];

  get receipts(): readonly Receipt[] {
    return this.#receipts;
  }

  acknowledged(receipt: Receipt): void {
    this.#receipts.push(receipt);
  }

  applied(key: string, value: string, at: Pick<Place, "history" | "index">): void {
    this.#add(key, { value, ...at, kind: "state", merged: false });
  }

  /** By a frozen agent: it gives the winner this, committed or not. */
  appliedLast(key: string, value: string, at: Pick<Place, "history" | "index">): void {
    this.#add(key, { value, ...at, kind: "tail", merged: false });
  }

  /** A merge was applied at `index`: what it wrote has that index as its version. */
  merged(
    view: InventoryView,
    { history, index }: Pick<Place, "history" | "index">,
    forkIndex: Index,
  ): void {
    requireOnce(view);
    const journal = new Set(view.journal().map(({ winnerValue }) => valueIn(winnerValue)));
    for (const { key, value, version } of view.variables()) {
      if (version !== index) continue;
      const before = this.#writtenBefore(key, { history, index });
      require(before === null || before.index <= forkIndex || journal.has(before.value), () =>
        `the merge at ${index} overwrites "${before?.value ?? ""}" of ${key}, which this history wrote`);
      this.#add(key, { value: String(value), history, index, kind: "state", merged: true });
    }
    for (const { key, loserValue, version } of view.journal()) {
      const value = valueIn(loserValue);
      if (version !== index || value === null) continue;
      this.#add(key.slice("var/".length), { value, history, index, kind: "journal", merged: true });
    }
  }

  /** The last write of this path's own clients. */
  #writtenBefore(key: string, { history, index }: Pick<Place, "history" | "index">): Place | null {
    const places = this.#ofKey.get(key) ?? [];
    const isBefore = (one: Place): boolean =>
      one.kind === "state" && one.index < index && history.holds(one.history, one.index);
    const last = places.filter(isBefore).sort((a, b) => b.index - a.index)[0];
    return last === undefined || last.merged ? null : last;
  }

  /** Was it written on this path, or merged into it? */
  isIn(value: string, path: History): boolean {
    return (this.#places.get(value) ?? []).some(
      ({ history, index, kind }) => kind !== "tail" && path.holds(history, index),
    );
  }

  /**
   * As `isIn`, or something was that overwrote it where it was. That may have gone to a second history, to be overwritten
   * there, before the second was merged into this one.
   */
  isKept(receipt: Receipt, path: History): boolean {
    return this.#isKept(receipt, path, new Set());
  }

  #isKept({ key, value }: Receipt, path: History, seen: Set<string>): boolean {
    if (this.isIn(value, path)) return true;
    if (seen.has(value)) return false;
    seen.add(value);
    const places = (this.#places.get(value) ?? []).filter(({ kind }) => kind !== "journal");
    const others = this.#ofKey.get(key) ?? [];
    return places.some((place) =>
      others.some(
        (other) =>
          other.kind !== "journal" &&
          other.index > place.index &&
          other.history.holds(place.history, place.index) &&
          this.#isKept({ key, value: other.value }, path, seen),
      ),
    );
  }

  /** G5: what `loser` holds and was acknowledged is with the winner before the loser forgets it. */
  requireKept(
    loser: NodeId,
    { history, end }: { readonly history: History; readonly end: Index },
    winner: History,
  ): void {
    for (const receipt of this.#receipts) {
      const held = (this.#places.get(receipt.value) ?? []).some(
        (place) =>
          place.kind !== "tail" && place.index <= end && history.holds(place.history, place.index),
      );
      require(!held || this.isKept(receipt, winner), () =>
        `G5: ${loser} starts over, and the history it goes to lacks "${receipt.value}" of ${receipt.key}`);
    }
  }

  #add(key: string, place: Place): void {
    const places = this.#places.get(place.value) ?? [];
    this.#places.set(place.value, places);
    places.push(place);
    const all = this.#ofKey.get(key) ?? [];
    this.#ofKey.set(key, all);
    all.push(place);
  }
}

/** What came from another history came once, whoever brought it. */
function requireOnce(view: InventoryView): void {
  const known = new Set<string>();
  for (const { at, type, subject, message, data } of view.events(0, Infinity)) {
    const { generation, originalIndex } = data;
    if (originalIndex === undefined) continue;
    const mark = JSON.stringify([generation, originalIndex, at, type, subject, message]);
    require(!known.has(mark), () => `the event ${mark} was merged twice`);
    known.add(mark);
  }
}

export function valueIn(record: unknown): string | null {
  if (typeof record !== "object" || record === null || !("value" in record)) return null;
  return typeof record.value === "string" ? record.value : null;
}
