/**
 * Two histories become one, in one entry: nobody ever sees half a merge, but of one that is too large for that. Pure
 * and deterministic; a refusal or a surprise leaves no trace (the caller rolls back).
 */
import { type PeerId } from "../../base/ids.ts";
import { type GenerationRef } from "../../consensus/lineage/types.ts";
import { type Draft } from "../draft.ts";
import { InventoryError } from "../errors.ts";
import { trimJobs } from "../job-end.ts";
import { limits } from "../limits.ts";
import { type MergeRecord } from "../lineage-records.ts";
import { type Refusal } from "../outcome.ts";
import { dropDeadTokens } from "../reduce-tokens.ts";
import { trimRevisions } from "../revisions.ts";
import { mergeAnswers } from "./answers.ts";
import { restoreConsistency } from "./consistency.ts";
import { mergeGlobals } from "./globals.ts";
import { mergeJobs } from "./jobs.ts";
import { trimJournal } from "./journal.ts";
import { mergeMembers } from "./members.ts";
import { Merging } from "./merging.ts";
import { mergeNodes } from "./nodes.ts";
import { type OtherSide } from "./other-side.ts";
import { mergePast, mergeRevisions } from "./past.ts";
import { mergeKeyring, mergeTokens } from "./tokens.ts";

export interface MergeInput {
  readonly generation: GenerationRef;
  readonly members: readonly PeerId[];
  readonly other: OtherSide;
  readonly before: MergeRecord;
  /**
   * Up to where this exporter knows both histories to be the same. Another of the same generation may know less, if its
   * log no longer reaches back so far: it exports more, and each is judged by its own.
   */
  readonly forkIndex: number;
  /** Of the pages that made up `other`. */
  readonly export: string;
}

const rememberedExports = 1024;

/** Null when all is merged. @throws InventoryError MERGE_INVALID. */
export function merge(draft: Draft, input: MergeInput): Refusal | null {
  const { other, forkIndex } = input;
  if (other.cluster !== draft.view.cluster()?.id) {
    throw invalid(`it is of cluster "${other.cluster.slice(0, 80)}", not of this one`);
  }
  if (other.fork !== forkIndex) {
    throw invalid(`it begins at index ${other.fork}, the fork is at ${forkIndex}`);
  }
  const merging = new Merging(draft, input);
  mergeMembers(merging);
  mergeRevisions(merging);
  mergeNodes(merging);
  mergeGlobals(merging);
  mergeTokens(merging);
  mergeKeyring(merging);
  mergeJobs(merging);
  mergePast(merging);
  mergeAnswers(merging);
  restoreConsistency(draft);
  trimJobs(draft);
  trimRevisions(draft);
  dropDeadTokens(draft);
  putMerge(merging, input);
  forgetOldKeys(draft);
  return trimJournal(draft);
}

function putMerge(merging: Merging, { other, before, export: name }: MergeInput): void {
  const { draft, counts } = merging;
  draft.put("merge", before.id, {
    ...before,
    forkIndex: Math.min(before.forkIndex, other.fork),
    through: other.isLast ? Math.max(before.through, other.index) : before.through,
    exports: [...before.exports, name].slice(-rememberedExports),
    mergedAt: [...before.mergedAt, draft.index].slice(-rememberedExports),
    counts: { ...counts },
    keys: Object.fromEntries(merging.keys),
    doneAt: other.isLast ? draft.at : before.doneAt,
  });
  if (!other.isLast) return;
  const { applied, pending, superseded, added, events } = counts;
  const look = pending === 0 ? "" : "; look at them: muster operator conflicts list";
  draft.emit(
    "merge.done",
    `generation/${before.id}`,
    `Generation ${before.n} merged: ${applied} taken over, ${added} added, ${pending} conflicts open${look}`,
    {
      applied,
      pending,
      superseded,
      added,
      events,
      eventsThere: other.events,
      through: other.index,
    },
  );
}

/**
 * What each merge knew of every key is kept for the newest ones: nobody brings a longer export of a history that was
 * merged so long ago, and if somebody does, what both sides changed waits in the journal.
 */
function forgetOldKeys(draft: Draft): void {
  const known = draft.view.merges().filter(({ keys }) => Object.keys(keys).length > 0);
  const surplus = known.length - limits.mergesWithKeys;
  if (surplus <= 0) return;
  for (const record of known.toSorted((a, b) => a.version - b.version).slice(0, surplus)) {
    draft.put("merge", record.id, { ...record, keys: {} });
  }
}

function invalid(reason: string): InventoryError {
  return new InventoryError("MERGE_INVALID", `Cannot merge: ${reason}`);
}
