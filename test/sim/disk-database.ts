/**
 * LevelDB as a simulated disk sees it: a write-ahead log of atomic batches over tables. A power cut loses a suffix of
 * the batches that were not synced; a damaged block of the write-ahead log silently takes whole batches with it at the
 * next open, from the middle too; a damaged table gives wrong bytes without an error.
 */
import { type Random } from "../../src/base/random.ts";
import { type BatchItem, type LogDatabase } from "../../src/consensus/storage/log-database.ts";
import { decodeHead, headKey } from "../../src/consensus/storage/log-records.ts";
import { type Device } from "./disk-medium.ts";
import { DurableLog } from "./durable-log.ts";

interface Batch {
  readonly items: readonly BatchItem[];
  state: "issued" | "written" | "synced";
  /** Its block was damaged: the next open does not find it. */
  lost: boolean;
}

/** Batches kept apart before the oldest go into tables. */
const maxWal = 256;

export class SimDatabase {
  readonly durable = new DurableLog();
  readonly #random: Random;
  #tables = new Map<string, Buffer>();
  #wal: Batch[] = [];
  /** What readers see: tables and everything written since. */
  #live = new Map<string, Buffer>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** As LevelDB does, writes what it finds in the log to a table, synced. */
  open(device: Device): LogDatabase {
    this.#replay();
    return {
      location: "/raft/log",
      get: (key) => device.read(() => this.#live.get(key.toString("latin1"))),
      batch: (items, { sync }) => this.#write(device, items, sync),
      entries: (range) => this.#entries(device, range),
      close: () => Promise.resolve(),
    };
  }

  /** @param power true: what was not synced may be gone; false: only the process is, its writes stay. */
  crash(power: boolean): void {
    const certain = this.#wal.findLastIndex(({ state }) =>
      power ? state === "synced" : state !== "issued",
    );
    const uncertain = this.#wal.length - (certain + 1);
    this.#wal.length = certain + 1 + this.#random.below(uncertain + 1);
    if (power) for (const batch of this.#wal) batch.state = "synced";
  }

  /** Damages a block of the write-ahead log. The last write is spared: nothing could tell that it was there. */
  loseBlock(): string | null {
    const last = this.#wal.findLastIndex(({ state }) => state === "synced");
    if (last < 1) return null;
    const from = this.#random.below(last);
    const to = Math.min(last, from + 1 + this.#random.below(3));
    for (const batch of this.#wal.slice(from, to)) batch.lost = true;
    return `${to - from} batches of ${this.#wal.length} are lost`;
  }

  /** Flips one bit of a record in a table. */
  flipBit(): string | null {
    this.#fold(this.#wal.findLastIndex(({ state }) => state === "synced") + 1);
    const keys = [...this.#tables.keys()];
    const key = keys[this.#random.below(keys.length)];
    const value = key === undefined ? undefined : this.#tables.get(key);
    if (key === undefined || value === undefined || value.byteLength === 0) return null;
    const damaged = Buffer.from(value);
    const at = this.#random.below(damaged.byteLength);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << this.#random.below(8));
    this.#tables.set(key, damaged);
    if (this.#live.get(key) === value) this.#live.set(key, damaged);
    return `byte ${at} of record ${Buffer.from(key, "latin1").toString("hex")} is wrong`;
  }

  /** An image of all that is synced, and back: a backup that somebody restores. */
  backup(): ReadonlyMap<string, Buffer> {
    const image = new Map(this.#tables);
    for (const { state, items } of this.#wal) if (state === "synced") applyTo(image, items);
    return image;
  }

  /** False when the copy is as new as what is here, but for the last write, which nothing could tell. */
  restore(image: ReadonlyMap<string, Buffer>): boolean {
    const now = this.backup();
    if (writesIn(now) <= writesIn(image) + 1) return false;
    this.#tables = new Map(image);
    this.#wal = [];
    return true;
  }

  #replay(): void {
    for (const { items, lost } of this.#wal) if (!lost) applyTo(this.#tables, items);
    this.#wal = [];
    this.#live = new Map(this.#tables);
    this.durable.rebuild(
      [...this.#tables].map(([key, value]) => [Buffer.from(key, "latin1"), value] as const),
    );
  }

  async #write(device: Device, items: readonly BatchItem[], sync: boolean): Promise<void> {
    const batch: Batch = { items, state: "issued", lost: false };
    this.#wal.push(batch);
    await device.write(sync, () => {
      batch.state = "written";
      applyTo(this.#live, items);
      if (sync) this.#synced();
    });
  }

  #synced(): void {
    let from = this.#wal.length;
    while (from > 0 && this.#wal[from - 1]?.state !== "synced") from -= 1;
    for (const batch of this.#wal.slice(from)) {
      if (batch.state !== "written") continue;
      batch.state = "synced";
      this.durable.follow(batch.items);
    }
    if (this.#wal.length > maxWal) this.#fold(maxWal / 2);
  }

  #fold(count: number): void {
    for (const { items, lost } of this.#wal.splice(0, count)) {
      if (!lost) applyTo(this.#tables, items);
    }
  }

  async *#entries(
    device: Device,
    { gte, lt }: { readonly gte: Buffer; readonly lt: Buffer },
  ): AsyncGenerator<[Buffer, Buffer]> {
    const [from, to] = [gte.toString("latin1"), lt.toString("latin1")];
    const keys = await device.read(() =>
      [...this.#live.keys()].filter((key) => key >= from && key < to).sort(),
    );
    for (const key of keys) {
      const value = this.#live.get(key);
      if (value !== undefined) yield [Buffer.from(key, "latin1"), value];
    }
  }
}

/** How many writes a database has seen, as its head record counts. */
function writesIn(image: ReadonlyMap<string, Buffer>): number {
  const head = image.get(headKey.toString("latin1"));
  return head === undefined ? 0 : (decodeHead(head)?.op ?? 0);
}

function applyTo(map: Map<string, Buffer>, items: readonly BatchItem[]): void {
  for (const item of items) {
    const key = item.key.toString("latin1");
    if (item.type === "put") map.set(key, item.value);
    else map.delete(key);
  }
}
