/**
 * Places in the history of the cluster as callers hold them: versions (ETags) and positions in the stream of events. A
 * place is an index, and behind `@` the generation that answers for it, when that is not the first one: a cluster that
 * never forced a generation knows plain numbers only. A place of a history that was left is worth nothing in the one
 * that went on, where the same index can be another write; it is refused, never compared.
 */
import { sharedWith } from "../consensus/lineage/written-in.ts";
import { type MergeRecord } from "../inventory/lineage-records.ts";
import { type InventoryView } from "../inventory/view.ts";
import { type ApiContext } from "./context.ts";
import { ApiError } from "./problems.ts";

export interface Place {
  readonly index: number;
  /** Null: of the first generation. */
  readonly generation: string | null;
}

export type Source = Pick<ApiContext, "view" | "lineage">;

/** A generation, one that follows an unknown one, or an agent that speaks for itself alone. */
const generationPattern = /^[~0-9A-Za-z]{1,80}$/;

/** What tells the generation of a place behind its index: nothing, or `@` and more. */
export function generationSuffix({ lineage }: Source, index: number): string {
  const port = lineage();
  if (port === null) return "";
  const [first] = port.generations();
  const generation = port.writtenIn(index);
  return generation === first?.id ? "" : `@${generation}`;
}

/** Reads `INDEX` or `INDEX@GENERATION`; null when the text is neither. */
export function parsePlace(text: string): Place | null {
  const at = text.indexOf("@");
  const index = at < 0 ? text : text.slice(0, at);
  const generation = at < 0 ? null : text.slice(at + 1);
  if (!/^\d{1,15}$/.test(index)) return null;
  if (generation !== null && !generationPattern.test(generation)) return null;
  return { index: Number(index), generation };
}

export function placeText({ index, generation }: Place): string {
  return generation === null ? `${index}` : `${index}@${generation}`;
}

export function isOfThisHistory(source: Source, { index, generation }: Place): boolean {
  const lineage = source.lineage();
  if (lineage === null) return generation === null;
  const [first] = lineage.generations();
  return lineage.writtenIn(index) === (generation ?? first?.id);
}

/**
 * For a place that is not of this history; `advice` says what to do about it. `details.report` names the merge that brought over what that history had
 * (null: none did, or none yet), `details.resumeAt` the last place that both surely have (null: unknown).
 */
export function otherHistory(
  source: Source,
  place: Place,
  { what, advice }: { readonly what: string; readonly advice: (resumeAt: string | null) => string },
): ApiError {
  const path = source.lineage()?.generations() ?? [];
  const generation = place.generation ?? path[0]?.id ?? "";
  const merge = mergeOf(source.view, generation);
  const shared = sharedWith(path, generation) ?? merge?.forkIndex ?? null;
  const last = shared === null ? null : Math.min(shared, place.index);
  const resumeAt = last === null ? null : `${last}${generationSuffix(source, last)}`;
  const report = merge?.id ?? null;
  const hint =
    report === null
      ? ""
      : `; what it had is here: muster operator conflicts list --generation ${report}`;
  return new ApiError(
    "GENERATION_SUPERSEDED",
    `${what} is of another history than this agent's (generation ${generation.slice(0, 8)})${hint}; ${advice(resumeAt)}`,
    { generation, report, resumeAt },
  );
}

/** The merge of this generation, or of one that was forced from it and lost. */
function mergeOf(view: InventoryView, generation: string): MergeRecord | null {
  const merges = view.merges();
  const exact = merges.find(({ id }) => id === generation);
  // From the first one, which has no record, everything was forced.
  if (exact !== undefined || view.generation(generation) === null) return exact ?? null;
  return merges.find(({ id }) => comesFrom(view, id, generation)) ?? null;
}

function comesFrom(view: InventoryView, id: string, ancestor: string): boolean {
  const parent = view.generation(id)?.parent ?? null;
  return parent !== null && (parent === ancestor || comesFrom(view, parent, ancestor));
}
