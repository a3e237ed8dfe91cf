/**
 * What the cluster remembers of its own history: which generations there were, what was merged into this one from
 * others, and which acknowledged values a merge could not keep. Times are milliseconds since the Unix epoch.
 */
import { type Json } from "../base/json.ts";
import { type PeerId } from "../base/ids.ts";
import { type Generation } from "../consensus/lineage/types.ts";
import { type RecordClass } from "./keys.ts";

/** What was known of one member that was left behind. */
export interface LostEvidence {
  readonly node: PeerId;
  /** For how long nothing was heard of it, in ms; null when it was never heard. */
  readonly silentMs: number | null;
  /** The proof that it was gone (`exit`, `leave`, `fence`, `departed`); null when silence had to do. */
  readonly proof: string | null;
}

/** `generation/ID`: a forced generation, why, and when its members were whole again. Class A. */
export interface GenerationRecord extends Generation {
  /** Actor who forced it: `operator`, `token:ID`, `controller`. */
  readonly by: string;
  readonly evidence: readonly LostEvidence[];
  readonly begunAt: number;
  /** Null while it is provisional. */
  readonly settledAt: number | null;
  readonly version: number;
}

/** How many keys of the other side went which way. */
export interface MergeCounts {
  /** Taken over: only the other side had changed them, or its side decides. */
  readonly applied: number;
  /** Changed by both sides and left to an operator. */
  readonly pending: number;
  /** Changed by both sides and decided by the rule of their class: in the journal, for the record. */
  readonly superseded: number;
  /** Lines added to history, ledger, revisions and remembered answers. */
  readonly added: number;
  readonly events: number;
}

/** `merge/GENERATION`: what was taken over from the generation that lost. Class A. */
export interface MergeRecord {
  readonly id: string;
  readonly n: number;
  readonly forkIndex: number;
  /** Highest index of the other side that was merged; 0 while nothing is. */
  readonly through: number;
  /** Exports that were merged, newest last: sending one again changes nothing. */
  readonly exports: readonly string[];
  /** Indices of the entries that merged: what was written there is the other side's own. */
  readonly mergedAt: readonly number[];
  readonly counts: MergeCounts;
  /** Key on the other side → its version there and a digest of its value, when it was merged last. */
  readonly keys: Readonly<Record<string, readonly [version: number, digest: string]>>;
  readonly begunAt: number;
  readonly doneAt: number | null;
  readonly version: number;
}

/** `page/GENERATION/EXPORT/SEQUENCE`: a page that waits for the others of its export. Never exported itself. */
export interface PageRecord {
  readonly export: string;
  readonly sequence: number;
  readonly pages: number;
  readonly at: number;
  readonly forkIndex: number;
  /** Members of the other side; on the first page only. */
  readonly members: readonly PeerId[];
  /** Base 64. */
  readonly bytes: string;
  readonly version: number;
}

/** `pending` waits for an operator; `superseded` and `applied` tell whether the other side's value is in force. */
export const resolutions = ["pending", "applied", "discarded", "superseded"] as const;
export type Resolution = (typeof resolutions)[number];

/** `journal/GENERATION/KEY`: an acknowledged value that is not in force any more, or not yet. Class A. */
export interface JournalRecord {
  /** Short name for operators: it follows from generation and key. */
  readonly id: string;
  readonly generation: string;
  readonly key: string;
  readonly class: RecordClass;
  /** The record without its version; null: it was deleted. */
  readonly loserValue: Json;
  readonly loserVersion: number;
  readonly winnerValue: Json;
  /** Version of the record that is in force since the merge, 0 when there is none. */
  readonly winnerVersion: number;
  readonly rule: string;
  readonly resolution: Resolution;
  readonly resolvedBy: string | null;
  readonly resolvedAt: number | null;
  readonly at: number;
  /** Size of both values as canonical JSON. */
  readonly bytes: number;
  readonly version: number;
}

/** `deleted/PREFIX/ID`: the record was there once. Tells "deleted here" from "made there" in a merge. Class G. */
export interface DeletedRecord {
  readonly version: number;
}
