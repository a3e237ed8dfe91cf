/**
 * What one history gives to another: every record that was written after the fork, and who its nodes were. It is
 * merged at once where that is small enough. Else it is cut into parts that are merged one after the other: first all
 * that hangs together (members, nodes, live jobs, what is allowed), then the rest in slices, record by record.
 *
 * The bytes of a part are cut into pages that name the part by its digest, so that pages of two exports never mix, a
 * part that is sent again is recognised, and a page that was changed on the way is found out.
 */
import { createHash } from "node:crypto";
import { newPackr } from "../codec.ts";
import { schemaVersion } from "../commands.ts";
import { InventoryError } from "../errors.ts";
import { type KeyringRecord } from "../keyring.ts";
import { limits } from "../limits.ts";
import { type StoredRecord } from "../record-types.ts";
import { type NodeRecord } from "../records.ts";
import { hangingTogether } from "./together.ts";

export const exportFormat = "muster-merge";
/** Digest (16 bytes), sequence, number of pages (4 bytes each, big-endian). */
export const pageHeaderBytes = 24;

export interface ExportSource {
  readonly image: readonly StoredRecord[];
  readonly index: number;
  readonly cluster: string;
}

/** In bytes: merged at once up to here; the first part at most; each of the others about (`recordBytes` included). */
export type ExportSizes = {
  readonly [K in "exportBytes" | "exportBaseBytes" | "exportPartBytes"]: number;
};

/** Which page of which part it is. */
export interface PageHeader {
  /** The part's digest, hex. */
  readonly name: string;
  readonly sequence: number;
  /** Of the part. */
  readonly pages: number;
}

/**
 * Pages of at most `limits.pageBytes` and a header, part after part. The first of a part holds nothing else: it opens
 * the merge. One part at a time is in memory.
 * @throws InventoryError MERGE_TOO_LARGE.
 */
export function* exportPages(
  source: ExportSource,
  fork: number,
  sizes: ExportSizes = limits,
): Generator<Uint8Array, void> {
  const packr = newPackr();
  const pack = (item: unknown): Uint8Array => packr.pack(item);
  const { records, events } = changedSince(source.image, fork);
  const parts = partsOf(records, { pack, hangs: hangingTogether(source.image, fork) }, sizes);
  const { index, cluster } = source;
  const header = { format: exportFormat, v: schemaVersion, fork, index, cluster, events };
  const nodes = source.image.filter(({ key }) => key.startsWith("node/"));
  const who = nodes.map(({ value }) => [(value as NodeRecord).name, (value as NodeRecord).id]);
  for (const [part, some] of parts.entries()) {
    const which = parts.length === 1 ? {} : { part, parts: parts.length };
    const items = [{ ...header, ...which }, { nodes: who }, ...some.map(itemOf)];
    yield* pagesOf(framed([...items, { end: true, count: some.length }], pack));
  }
}

/** The one that carries who the other side was. */
export function isFirstPage(page: Uint8Array): boolean {
  return page.length === pageHeaderBytes;
}

export function readPageHeader(bytes: Uint8Array): PageHeader | null {
  if (bytes.length < pageHeaderBytes) return null;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const name = view.toString("hex", 0, 16);
  return { name, sequence: view.readUInt32BE(16), pages: view.readUInt32BE(20) };
}

type Pack = (item: unknown) => Uint8Array;

const itemOf = ({ key, modIndex, value }: StoredRecord) => [key, modIndex, value];

function changedSince(image: readonly StoredRecord[], fork: number) {
  // Revisions go whole: this side may work with one that the other has dropped since.
  const changed = image.filter(
    ({ key, modIndex }) =>
      (modIndex > fork || key.startsWith("revision/")) &&
      !key.startsWith("page/") &&
      !key.startsWith("event/"),
  );
  const { all, newest } = newestEvents(image, fork);
  const records = changed.map((one) => (one.key === "keyring" ? ofNoAge(one, fork) : one));
  return { records: [...records, ...newest], events: all };
}

/**
 * When a key was made behind the fork means nothing on the other side. There it counts as older than every eviction:
 * who was evicted there may have stayed at home here, and know it.
 */
function ofNoAge({ key, modIndex, value }: StoredRecord, fork: number): StoredRecord {
  const ring = value as KeyringRecord;
  const keys = ring.keys.map((one) =>
    one.createdIndex > fork ? { ...one, createdIndex: 0 } : one,
  );
  return { key, modIndex, value: { ...ring, keys } };
}

/** Events are bounded on both sides: only so many of the newest are taken over, and the merge tells how many were. */
function newestEvents(image: readonly StoredRecord[], fork: number) {
  const batches = image.filter(({ key, modIndex }) => modIndex > fork && key.startsWith("event/"));
  const countOf = ({ value }: StoredRecord): number => (Array.isArray(value) ? value.length : 0);
  const all = batches.reduce((sum, batch) => sum + countOf(batch), 0);
  let kept = 0;
  const from = batches.findLastIndex((batch) => {
    kept += countOf(batch);
    return kept > limits.mergedEvents;
  });
  return { all, newest: batches.slice(from + 1) };
}

/** What a record costs when it is merged, in bytes, however small it is: the time to merge is what must be bounded. */
const recordBytes = 400;

/** One where it all fits an entry's work. */
function partsOf(
  records: readonly StoredRecord[],
  { pack, hangs }: { readonly pack: Pack; readonly hangs: (record: StoredRecord) => boolean },
  { exportBytes, exportBaseBytes, exportPartBytes }: ExportSizes,
): readonly (readonly StoredRecord[])[] {
  const bytes = new Map(records.map((one) => [one, pack(itemOf(one)).length]));
  const bytesOf = (some: readonly StoredRecord[]): number =>
    some.reduce((total, one) => total + (bytes.get(one) ?? 0), 0);
  if (bytesOf(records) + records.length * recordBytes <= exportBytes) return [records];
  const base = records.filter(hangs);
  if (bytesOf(base) > exportBaseBytes) throw tooLarge(bytesOf(base));
  const parts: StoredRecord[][] = [base];
  let room = 0;
  for (const one of records) {
    if (hangs(one)) continue;
    const size = recordBytes + (bytes.get(one) ?? 0);
    if (size > room) {
      parts.push([]);
      room = exportPartBytes;
    }
    parts.at(-1)?.push(one);
    room -= size;
  }
  return parts;
}

function framed(items: readonly unknown[], pack: Pack): Buffer {
  const parts = items.flatMap((item) => {
    const bytes = pack(item);
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  return Buffer.concat(parts);
}

function* pagesOf(bytes: Buffer): Generator<Uint8Array, void> {
  const digest = createHash("sha256").update(bytes).digest().subarray(0, 16);
  const pages = 1 + Math.ceil(bytes.length / limits.pageBytes);
  for (let sequence = 0; sequence < pages; sequence += 1) {
    const from = (sequence - 1) * limits.pageBytes;
    const part = sequence === 0 ? new Uint8Array(0) : bytes.subarray(from, from + limits.pageBytes);
    const page = Buffer.alloc(pageHeaderBytes + part.length);
    digest.copy(page);
    page.writeUInt32BE(sequence, 16);
    page.writeUInt32BE(pages, 20);
    page.set(part, pageHeaderBytes);
    yield page;
  }
}

function tooLarge(size: number): InventoryError {
  return new InventoryError(
    "MERGE_TOO_LARGE",
    `What this side changed since the fork of its nodes, jobs and revisions has ${size} bytes, and is judged in one ` +
      `go; at most ${limits.exportBaseBytes}. Nothing is lost: this agent keeps its state, read-only. Read from it what is ` +
      "wanted (muster vars, nodes, jobs with -o json), write it to the other side, then start this agent on an empty " +
      "data directory",
    { size, limit: limits.exportBaseBytes },
  );
}
