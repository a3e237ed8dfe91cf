/**
 * Which record lives under which prefix, and how a key is spelled. Two kinds of records are of the reducer's
 * own and not seen through `InventoryView`: exactly-once windows and remembered idempotent answers.
 */
import { type KeyPrefix } from "./keys.ts";
import { type CommandResult } from "./commands.ts";
import { type KeyringRecord } from "./keyring.ts";
import {
  type DeletedRecord,
  type GenerationRecord,
  type JournalRecord,
  type MergeRecord,
  type PageRecord,
} from "./lineage-records.ts";
import {
  type ClusterRecord,
  type ConfigRecord,
  type EventRecord,
  type HistoryRecord,
  type JobRecord,
  type LedgerRecord,
  type MemberRecord,
  type NodeLabelsRecord,
  type NodeRecord,
  type NodeSpecRecord,
  type RevisionRecord,
  type RoleRecord,
  type SettingsRecord,
  type TokenRecord,
  type VarRecord,
} from "./records.ts";

/** `session/PEERID`: answers that this boot of the agent has not acknowledged yet. */
export interface SessionRecord {
  /** Id of the agent's start; ids of later starts sort after those of earlier ones. */
  readonly boot: string;
  /** Requests up to this number are over: acknowledged, or dropped from a full window. */
  readonly floor: number;
  /** Answers above `floor`, by number. */
  readonly results: readonly { readonly seq: number; readonly result: CommandResult }[];
  readonly version: number;
}

/** `idem/KEY`: the answer to a write that carried an Idempotency-Key. */
export interface IdempotencyRecord {
  readonly digest: string;
  readonly at: number;
  readonly result: CommandResult;
  readonly version: number;
}

export interface RecordTypes {
  cluster: ClusterRecord;
  node: NodeRecord;
  spec: NodeSpecRecord;
  label: NodeLabelsRecord;
  history: HistoryRecord;
  member: MemberRecord;
  token: TokenRecord;
  var: VarRecord;
  role: RoleRecord;
  settings: SettingsRecord;
  config: ConfigRecord;
  revision: RevisionRecord;
  job: JobRecord;
  ledger: LedgerRecord;
  event: readonly EventRecord[];
  idem: IdempotencyRecord;
  session: SessionRecord;
  keyring: KeyringRecord;
  deleted: DeletedRecord;
  generation: GenerationRecord;
  merge: MergeRecord;
  page: PageRecord;
  journal: JournalRecord;
}

export type RecordValue = RecordTypes[KeyPrefix];

/** One line of the keyspace. `modIndex` is the Raft index of the last write. */
export interface StoredRecord {
  readonly key: string;
  readonly modIndex: number;
  readonly value: RecordValue;
}

/** `id` is empty for the three records that exist once. */
export function keyOf(prefix: KeyPrefix, id: string): string {
  return id === "" ? prefix : `${prefix}/${id}`;
}

/** A Raft index as part of a key: 16 digits, so that text order is number order. */
export function indexText(index: number): string {
  return String(index).padStart(16, "0");
}

/** The Raft index that wrote `value` last. */
export function modIndexOf(value: RecordValue): number {
  return "version" in value ? value.version : (value[0]?.index ?? 0);
}
