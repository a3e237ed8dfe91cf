/**
 * Read access to the replicated state, as lifecycle, config engine and API see it. All answers are immutable
 * records; iteration is in key order, so that every agent gives the same answer to the same question.
 */
import { type PeerId } from "../base/ids.ts";
import { type CommandResult } from "./commands.ts";
import { type KeyringRecord } from "./keyring.ts";
import { type GenerationRecord, type JournalRecord, type MergeRecord } from "./lineage-records.ts";
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

export interface InventoryView {
  /** Raft index of the last entry this state contains. */
  readonly appliedIndex: number;
  cluster(): ClusterRecord | null;
  node(name: string): NodeRecord | null;
  nodeById(id: PeerId): NodeRecord | null;
  nodes(): readonly NodeRecord[];
  /** Never null for a known node: an empty record with version 0 stands in. */
  spec(node: string): NodeSpecRecord;
  labels(node: string): NodeLabelsRecord;
  history(node: string): readonly HistoryRecord[];
  member(id: PeerId): MemberRecord | null;
  members(): readonly MemberRecord[];
  token(id: string): TokenRecord | null;
  tokens(): readonly TokenRecord[];
  variable(key: string): VarRecord | null;
  variables(): readonly VarRecord[];
  role(name: string): RoleRecord | null;
  roles(): readonly RoleRecord[];
  settings(): SettingsRecord;
  config(): ConfigRecord;
  /** Null until an agent takes datagrams. Its secrets leave the agent in datagrams' keys only. */
  keyring(): KeyringRecord | null;
  revision(commit: string): RevisionRecord | null;
  revisions(): readonly RevisionRecord[];
  job(id: string): JobRecord | null;
  /** Oldest first (ids sort by time). */
  jobs(): readonly JobRecord[];
  /** Jobs that are queued, running or paused, oldest first; cheap. */
  activeJobs(): readonly JobRecord[];
  ledger(node: string): readonly LedgerRecord[];
  ledgerEntry(node: string, run: string): LedgerRecord | null;
  /** Forced generations, and what was merged into this one from others. */
  generations(): readonly GenerationRecord[];
  generation(id: string): GenerationRecord | null;
  merges(): readonly MergeRecord[];
  /** What merges could not keep, by generation and key. */
  journal(): readonly JournalRecord[];
  /** Events with an index greater than `afterIndex`, oldest first; the oldest kept index is `firstEventIndex`. */
  events(afterIndex: number, limit: number): readonly EventRecord[];
  readonly firstEventIndex: number;
  /** The answer to a write with this Idempotency-Key, and the digest of the request it belongs to. */
  remembered(key: string): { readonly digest: string; readonly result: CommandResult } | null;
}

/** Called after each batch of applied entries with the index reached. Must return quickly and never throw. */
export type AppliedListener = (appliedIndex: number) => void;
