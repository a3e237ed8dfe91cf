/**
 * The journal: acknowledged values that a merge did not keep. One entry per generation and key; a longer export of
 * the same generation replaces what an earlier one left there.
 */
import { createHash } from "node:crypto";
import { type Json, canonicalJson } from "../../base/json.ts";
import { type Draft } from "../draft.ts";
import { classOf } from "../keys.ts";
import { limits } from "../limits.ts";
import { type JournalRecord, type Resolution } from "../lineage-records.ts";
import { type Refusal, refuse } from "../outcome.ts";

export interface Conflict {
  /** Key of the record here. */
  readonly key: string;
  readonly theirs: Json;
  readonly theirVersion: number;
  readonly ours: Json;
  readonly ourVersion: number;
  readonly rule: string;
  readonly resolution: Resolution;
}

/** What an operator types: it follows from generation and key, so every agent gives the same. */
export function conflictId(generation: string, key: string): string {
  return createHash("sha256").update(`${generation}/${key}`).digest("hex").slice(0, 12);
}

export function putConflict(draft: Draft, generation: string, conflict: Conflict): void {
  const { key, theirs, theirVersion, ours, ourVersion, rule, resolution } = conflict;
  draft.put("journal", `${generation}/${key}`, {
    id: conflictId(generation, key),
    generation,
    key,
    class: classOf(key) ?? "G",
    loserValue: theirs,
    loserVersion: theirVersion,
    winnerValue: ours,
    winnerVersion: ourVersion,
    rule,
    resolution,
    resolvedBy: resolution === "pending" ? null : "merge",
    resolvedAt: resolution === "pending" ? null : draft.at,
    at: draft.at,
    bytes: Buffer.byteLength(canonicalJson(theirs)) + Buffer.byteLength(canonicalJson(ours)),
  });
}

/** Makes room by dropping what was resolved longest ago; null when the journal keeps its limits. */
export function trimJournal(draft: Draft): Refusal | null {
  const entries = draft.view.journal();
  const use = { entries: entries.length, bytes: sum(entries) };
  const resolved = entries.filter(({ resolution, version }) => {
    return resolution !== "pending" && version !== draft.index;
  });
  for (const { generation, key, bytes } of resolved.toSorted((a, b) => a.version - b.version)) {
    if (fits(use)) return null;
    draft.delete("journal", `${generation}/${key}`);
    use.entries -= 1;
    use.bytes -= bytes;
  }
  if (fits(use)) return null;
  return refuse(
    "LIMIT",
    `Cannot merge: the journal of conflicts would have ${use.entries} entries of ${use.bytes} bytes together ` +
      `(at most ${limits.journalEntries} and ${limits.journalBytes}). Nothing is lost, the other side keeps its state. ` +
      "Apply or discard open conflicts (muster operator conflicts list); the merge is then tried again by itself",
    { ...use, maxEntries: limits.journalEntries, maxBytes: limits.journalBytes },
  );
}

function fits({ entries, bytes }: { readonly entries: number; readonly bytes: number }): boolean {
  return entries <= limits.journalEntries && bytes <= limits.journalBytes;
}

function sum(entries: readonly JournalRecord[]): number {
  return entries.reduce((total, { bytes }) => total + bytes, 0);
}
