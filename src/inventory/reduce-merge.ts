/**
 * Pages of a losing generation, as they come in. They wait in the replicated state until their export is complete;
 * the page that completes it merges all of it at once. Any page may come twice, late, or from a second exporter.
 */
import { createHash } from "node:crypto";
import { errorMessage } from "../base/errors.ts";
import { type CommandOf } from "./command-shapes.ts";
import { type Draft } from "./draft.ts";
import { type MergeRecord, type PageRecord } from "./lineage-records.ts";
import { limits } from "./limits.ts";
import { pageHeaderBytes, type PageHeader, readPageHeader } from "./merge/export.ts";
import { merge } from "./merge/merge.ts";
import { readOtherSide } from "./merge/other-side.ts";
import { checkPattern } from "./names.ts";
import { type Handlers, type Outcome, type Refusal, done, invalid, refuse } from "./outcome.ts";
import { indexText } from "./record-types.ts";

type Page = CommandOf<"merge.page">;

export const mergeHandlers: Handlers<"merge.page"> = { "merge.page": takePage };

function takePage(draft: Draft, page: Page): Outcome {
  const { generation, forkIndex } = page;
  const header = readPageHeader(page.bytes);
  const problem =
    checkPattern("generation", generation.id, /^[0-9a-f]{32}$/) ??
    (header === null ? "a page has no header" : headerProblem(header, page)) ??
    (forkIndex < draft.index ? null : `the fork at ${forkIndex} is not in this history`);
  if (problem !== null || header === null) return invalid("merge", problem ?? "");
  const known = draft.view.get("merge", generation.id);
  if (known?.exports.includes(header.name) === true) return done({ merged: true });
  const crowd = makeRoom(draft, { generation: generation.id, name: header.name });
  if (crowd !== null) return crowd;
  const before = known ?? begin(draft, page);
  putPage(draft, page, header);
  const waiting = pagesOf(draft, generation.id, header.name);
  if (waiting.length < header.pages) {
    return done({ merged: false, waiting: waiting.length, pages: header.pages });
  }
  return complete(draft, { waiting, before, page, header });
}

function headerProblem({ sequence, pages }: PageHeader, { bytes, members }: Page): string | null {
  const most = 2 + Math.ceil(limits.exportBaseBytes / limits.pageBytes);
  if (pages < 1 || pages > most) return `${pages} pages; at most ${most}`;
  if (sequence >= pages) return `page ${sequence} of ${pages}`;
  if (bytes.length > limits.pageBytes + pageHeaderBytes) return `a page of ${bytes.length} bytes`;
  if (sequence === 0 && bytes.length > pageHeaderBytes) return "the first page is not empty";
  const isCrowded = members.length > limits.sideMembers;
  return isCrowded ? `${members.length} members; at most ${limits.sideMembers}` : null;
}

function begin(draft: Draft, { generation, forkIndex }: Page): MergeRecord {
  const { id, n } = generation;
  const counts = { applied: 0, pending: 0, superseded: 0, added: 0, events: 0 };
  const record = {
    ...{ id, n, forkIndex, counts, through: 0, exports: [], mergedAt: [], keys: {} },
    ...{ begunAt: draft.at, doneAt: null },
  };
  draft.put("merge", id, record);
  const text = `Merge of generation ${n} begun: it left this one at index ${forkIndex}`;
  draft.emit("merge.begun", `generation/${id}`, text, { n, forkIndex });
  return { ...record, version: draft.index };
}

function putPage(draft: Draft, page: Page, { name, sequence, pages }: PageHeader): void {
  const { generation, forkIndex, members, bytes } = page;
  const id = `${generation.id}/${name}/${indexText(sequence)}`;
  if (draft.view.get("page", id) !== null) return;
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  draft.put("page", id, {
    export: name,
    sequence,
    pages,
    at: draft.at,
    forkIndex,
    members: sequence === 0 ? members : [],
    bytes: body.toString("base64", pageHeaderBytes),
  });
}

function pagesOf(draft: Draft, generation: string, name: string): readonly PageRecord[] {
  return draft.view.pages(generation).filter((page) => page.export === name);
}

interface Completed {
  readonly waiting: readonly PageRecord[];
  readonly before: MergeRecord;
  readonly page: Page;
  readonly header: PageHeader;
}

/** Whatever is wrong with it, the same is wrong everywhere: a bad export is refused, it never stops a replica. */
function complete(draft: Draft, { waiting, before, page, header }: Completed): Outcome {
  try {
    const parts = waiting.map(({ bytes }) => Buffer.from(bytes, "base64"));
    const bytes = Buffer.concat(parts);
    const digest = createHash("sha256").update(bytes).digest("hex").slice(0, header.name.length);
    if (digest !== header.name) return invalid("merge", "the pages are not those of one export");
    const other = readOtherSide(bytes);
    const members = waiting[0]?.members ?? [];
    const { generation } = page;
    const refusal = merge(draft, {
      ...{ generation, members, other, before, export: header.name },
      forkIndex: page.forkIndex,
    });
    if (refusal !== null) return refusal;
  } catch (error) {
    return invalid("merge", errorMessage(error));
  }
  dropPages(draft, page.generation.id, header.name);
  return done({ merged: true });
}

function dropPages(draft: Draft, generation: string, name: string): void {
  for (const { sequence } of pagesOf(draft, generation, name)) {
    draft.delete("page", `${generation}/${name}/${indexText(sequence)}`);
  }
}

/**
 * Drops exports that nobody goes on with. A new one waits while too many others are under way: to drop one of those
 * would make its exporter begin again, and all of them together would never end.
 */
function makeRoom(
  draft: Draft,
  current: { readonly generation: string; readonly name: string },
): Refusal | null {
  const newest = new Map<
    string,
    { readonly generation: string; readonly name: string; at: number }
  >();
  for (const { id: generation } of draft.view.merges()) {
    for (const { export: name, at } of draft.view.pages(generation)) {
      const key = `${generation}/${name}`;
      newest.set(key, { generation, name, at: Math.max(at, newest.get(key)?.at ?? 0) });
    }
  }
  const isOpen = newest.delete(`${current.generation}/${current.name}`);
  for (const [key, { generation, name, at }] of newest) {
    // Also one of the future: the clock was wrong then, and would hold its place for as long.
    if (Math.abs(draft.at - at) < limits.waitingExportMs) continue;
    dropPages(draft, generation, name);
    newest.delete(key);
  }
  if (isOpen || newest.size < limits.waitingExports) return null;
  return refuse(
    "LIMIT",
    `Cannot merge now: ${newest.size} other exports are under way (at most ${limits.waitingExports}). Nothing is lost; it is tried again by itself`,
    { waiting: newest.size },
  );
}
