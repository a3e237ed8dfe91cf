/** Shapes of generations and of what a merge leaves behind. */
import { type Generation, type GenerationRef } from "../consensus/lineage/types.ts";
import { recordClasses } from "./keys.ts";
import {
  type DeletedRecord,
  type GenerationRecord,
  type JournalRecord,
  type LostEvidence,
  type MergeCounts,
  type MergeRecord,
  resolutions,
} from "./lineage-records.ts";
import { peerId, texts } from "./record-shapes.ts";
import {
  type Shape,
  dictionary,
  flag,
  json,
  list,
  natural,
  nullable,
  object,
  oneOf,
  optional,
  text,
} from "./shape.ts";

export const generationRef = object<GenerationRef>({ n: natural, id: text });

const generationFields = {
  n: natural,
  id: text,
  parent: nullable(text),
  kind: oneOf("bootstrap", "forced-proof", "forced-operator", "forced-auto"),
  forkIndex: natural,
  forkTerm: natural,
  forkChain: text,
  legitCommit: natural,
  members: texts,
  coordinator: text,
  abstaining: optional(texts),
  lost: texts,
  outlived: flag,
  missingAtMost: nullable(natural),
  at: natural,
} satisfies { readonly [K in keyof Generation]: Shape<Generation[K]> };

export const generation = object<Generation>(generationFields);

export const evidence = list(
  object<LostEvidence>({ node: peerId, silentMs: nullable(natural), proof: nullable(text) }),
);

export const generationRecord = object<GenerationRecord>({
  ...generationFields,
  by: text,
  evidence,
  begunAt: natural,
  settledAt: nullable(natural),
  version: natural,
});

const counts = object<MergeCounts>({
  applied: natural,
  pending: natural,
  superseded: natural,
  added: natural,
  events: natural,
});

const versionAndDigest: Shape<readonly [version: number, digest: string]> = (value, path) =>
  Array.isArray(value) && value.length === 2
    ? (natural(value[0], `${path}[0]`) ?? text(value[1], `${path}[1]`))
    : `${path} is no version with a digest`;

export const mergeRecord = object<MergeRecord>({
  id: text,
  n: natural,
  forkIndex: natural,
  through: natural,
  exports: texts,
  mergedAt: list(natural),
  counts,
  keys: dictionary(versionAndDigest),
  begunAt: natural,
  doneAt: nullable(natural),
  version: natural,
});

export const journalRecord = object<JournalRecord>({
  id: text,
  generation: text,
  key: text,
  class: oneOf(...new Set(Object.values(recordClasses))),
  loserValue: json,
  loserVersion: natural,
  winnerValue: json,
  winnerVersion: natural,
  rule: text,
  resolution: oneOf(...resolutions),
  resolvedBy: nullable(text),
  resolvedAt: nullable(natural),
  at: natural,
  bytes: natural,
  version: natural,
});

export const deletedRecord = object<DeletedRecord>({ version: natural });
