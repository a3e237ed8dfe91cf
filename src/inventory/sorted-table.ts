/**
 * Ordered maps of immutable records. `SortedTable` keeps its ids sorted, so that iteration gives the same
 * answer on every agent whatever the order of insertion was; `list()` is a shared array that is replaced,
 * never mutated. `GroupedTable` is one such table per first part of the id (`NODE/…`).
 */
export type Row<T> = readonly [id: string, value: T];

export interface Table<T> {
  readonly size: number;
  get(id: string): T | undefined;
  set(id: string, value: T): void;
  delete(id: string): void;
  /** All there is now, in a fixed order. */
  entries(): readonly Row<T>[];
}

const empty: readonly never[] = [];

export class SortedTable<T> implements Table<T> {
  readonly #values = new Map<string, T>();
  #ids: string[] = [];
  /** Where the ids begin: a table that loses its oldest rows one by one does not move all others each time. */
  #begin = 0;
  #list: readonly T[] | null = null;

  get size(): number {
    return this.#values.size;
  }

  get(id: string): T | undefined {
    return this.#values.get(id);
  }

  set(id: string, value: T): void {
    const before = this.#values.size;
    this.#values.set(id, value);
    if (this.#values.size > before) this.#insert(id);
    this.#list = null;
  }

  delete(id: string): void {
    if (!this.#values.delete(id)) return;
    const at = this.#position(id);
    if (at === this.#begin) this.#dropFirst();
    else this.#ids.splice(at, 1);
    this.#list = null;
  }

  firstId(): string | null {
    return this.#ids[this.#begin] ?? null;
  }

  /** Values in the order of their ids. */
  list(): readonly T[] {
    this.#list ??= this.entries().map(([, value]) => value);
    return this.#list;
  }

  entries(): readonly Row<T>[] {
    const rows: Row<T>[] = [];
    for (let at = this.#begin; at < this.#ids.length; at += 1) {
      const id = this.#ids[at] ?? "";
      const value = this.#values.get(id);
      if (value !== undefined) rows.push([id, value]);
    }
    return rows;
  }

  /** Rows with an id of at least `first`; must not be used while the table changes. */
  *from(first: string): Generator<Row<T>> {
    for (let i = this.#position(first); i < this.#ids.length; i += 1) {
      const id = this.#ids[i] ?? "";
      const value = this.#values.get(id);
      if (value !== undefined) yield [id, value];
    }
  }

  #insert(id: string): void {
    const at = this.#position(id);
    if (at === this.#ids.length) this.#ids.push(id);
    else this.#ids.splice(at, 0, id);
  }

  #dropFirst(): void {
    this.#begin += 1;
    if (this.#begin * 2 < this.#ids.length) return;
    this.#ids = this.#ids.slice(this.#begin);
    this.#begin = 0;
  }

  /** Where `id` is, or would be: at the end in the usual case of ids that grow. */
  #position(id: string): number {
    let low = this.#begin;
    let high = this.#ids.length;
    if (high > low && (this.#ids[high - 1] ?? "") < id) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ids[middle] ?? "") < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class GroupedTable<T> implements Table<T> {
  readonly #groups = new SortedTable<SortedTable<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: string): T | undefined {
    const [group, rest] = split(id);
    return this.#groups.get(group)?.get(rest);
  }

  set(id: string, value: T): void {
    const [group, rest] = split(id);
    let table = this.#groups.get(group);
    if (table === undefined) {
      table = new SortedTable<T>();
      this.#groups.set(group, table);
    }
    this.#size -= table.size;
    table.set(rest, value);
    this.#size += table.size;
  }

  delete(id: string): void {
    const [group, rest] = split(id);
    const table = this.#groups.get(group);
    if (table === undefined) return;
    this.#size -= table.size;
    table.delete(rest);
    this.#size += table.size;
    if (table.size === 0) this.#groups.delete(group);
  }

  /** Values of one group in the order of their ids. */
  list(group: string): readonly T[] {
    return this.#groups.get(group)?.list() ?? empty;
  }

  /** Ids of one group, first to last, without the last `keep`. */
  idsBeyond(group: string, keep: number): readonly string[] {
    const table = this.#groups.get(group);
    if (table === undefined || table.size <= keep) return [];
    const ids = table.entries().map(([rest]) => `${group}/${rest}`);
    return ids.slice(0, ids.length - keep);
  }

  entries(): readonly Row<T>[] {
    const rows: Row<T>[] = [];
    for (const [group, table] of this.#groups.entries()) {
      for (const [rest, value] of table.entries()) rows.push([`${group}/${rest}`, value]);
    }
    return rows;
  }
}

function split(id: string): readonly [group: string, rest: string] {
  const slash = id.indexOf("/");
  return slash < 0 ? [id, ""] : [id.slice(0, slash), id.slice(slash + 1)];
}
