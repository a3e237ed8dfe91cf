/**
 * What one history gives to another: every record that was written after the fork, and who its nodes were. The
 * bytes are cut into pages that name the whole by its digest, so that pages of two exports never mix, an export that
 * is sent again is recognised, and a page that was changed on the way is found out.
 */
import { createHash } from "node:crypto";
import { newPackr } from "../codec.ts";
import { schemaVersion } from "../commands.ts";
import { InventoryError } from "../errors.ts";
import { limits } from "../limits.ts";
import { type StoredRecord } from "../record-types.ts";
import { type NodeRecord } from "../records.ts";

export const exportFormat = "muster-merge";
/** Digest (16 bytes), sequence, number of pages (4 bytes each, big-endian). */
export const pageHeaderBytes = 24;

export interface ExportSource {
  readonly image: readonly StoredRecord[];
  readonly index: number;
  readonly cluster: string;
}

/**
 * Pages of at most `limits.pageBytes` and a header. The first holds nothing else: it opens the merge.
 * @throws InventoryError MERGE_TOO_LARGE.
 */
export function* exportPages(source: ExportSource, fork: number): Generator<Uint8Array, void> {
  const bytes = exportBytes(source, fork);
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

/** The one that carries who the other side was. */
export function isFirstPage(page: Uint8Array): boolean {
  return page.length === pageHeaderBytes;
}

function exportBytes({ image, index, cluster }: ExportSource, fork: number): Buffer {
  const packr = newPackr();
  const parts: Uint8Array[] = [];
  let size = 0;
  const add = (item: unknown): void => {
    const bytes = packr.pack(item);
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(bytes.length);
    parts.push(length, bytes);
    size += 4 + bytes.length;
    if (size > limits.exportBytes) throw tooLarge();
  };
  // Revisions go whole: this side may work with one that the other has dropped since.
  const changed = image.filter(
    ({ key, modIndex }) =>
      (modIndex > fork || key.startsWith("revision/")) &&
      !key.startsWith("page/") &&
      !key.startsWith("event/"),
  );
  const events = newestEvents(image, fork);
  add({ format: exportFormat, v: schemaVersion, fork, index, cluster, events: events.all });
  const nodes = image.filter(({ key }) => key.startsWith("node/"));
  add({ nodes: nodes.map(({ value }) => [(value as NodeRecord).name, (value as NodeRecord).id]) });
  for (const { key, modIndex, value } of [...changed, ...events.newest])
    add([key, modIndex, value]);
  add({ end: true, count: changed.length + events.newest.length });
  return Buffer.concat(parts, size);
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

function tooLarge(): InventoryError {
  return new InventoryError(
    "MERGE_TOO_LARGE",
    `What this side changed since the fork is larger than ${limits.exportBytes} bytes; it cannot be merged by itself. ` +
      "Nothing is lost: this agent keeps its state, read-only. Read from it what is wanted (muster vars, nodes, jobs " +
      "with -o json), write it to the other side, then start this agent on an empty data directory",
    { limit: limits.exportBytes },
  );
}
