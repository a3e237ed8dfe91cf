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
    this.#add(key, { value, ...at, kind: "state" });
  }

  /** By a frozen agent: it gives the winner this, committed or not. */
  appliedLast(key: string, value: string, at: Pick<Place, "history" | "index">): void {
    this.#add(key, { value, ...at, kind: "tail" });
  }

  /** A merge was applied at `index`: what it wrote has that index as its version. */
  merged(view: InventoryView, { history, index }: Pick<Place, "history" | "index">): void {
    for (const { key, value, version } of view.variables()) {
      if (version !== index) continue;
      this.#add(key, { value: String(value), history, index, kind: "state" });
    }
    for (const { key, loserValue, version } of view.journal()) {
      const value = valueIn(loserValue);
      if (version !== index || value === null) continue;
      this.#add(key.slice("var/".length), { value, history, index, kind: "journal" });
    }
  }

  /** Was it written on this path, or merged into it? */
  isIn(value: string, path: History): boolean {
    return (this.#places.get(value) ?? []).some(
      ({ history, index, kind }) => kind !== "tail" && path.holds(history, index),
    );
  }

  /** As `isIn`, or something was that overwrote it where it was. */
  isKept({ key, value }: Receipt, path: History): boolean {
    if (this.isIn(value, path)) return true;
    const places = (this.#places.get(value) ?? []).filter(({ kind }) => kind === "state");
    const others = this.#ofKey.get(key) ?? [];
    return places.some((place) =>
      others.some(
        (other) =>
          other.kind !== "journal" &&
          other.index > place.index &&
          other.history.holds(place.history, place.index) &&
          this.isIn(other.value, path),
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

export function valueIn(record: unknown): string | null {
  if (typeof record !== "object" || record === null || !("value" in record)) return null;
  return typeof record.value === "string" ? record.value : null;
}
