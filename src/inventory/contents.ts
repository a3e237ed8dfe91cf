/** The tables behind the state, one per prefix, and the indexes over them: what a restore replaces as a whole. */
import { type PeerId } from "../base/ids.ts";
import { type KeyringRecord } from "./keyring.ts";
import { type KeyPrefix } from "./keys.ts";
import {
  type DeletedRecord,
  type GenerationRecord,
  type JournalRecord,
  type MergeRecord,
  type PageRecord,
} from "./lineage-records.ts";
import { type IdempotencyRecord, type RecordTypes, type SessionRecord } from "./record-types.ts";
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
import { GroupedTable, SortedTable, type Table } from "./sorted-table.ts";

function emptyTables() {
  return {
    cluster: new SortedTable<ClusterRecord>(),
    node: new SortedTable<NodeRecord>(),
    spec: new SortedTable<NodeSpecRecord>(),
    label: new SortedTable<NodeLabelsRecord>(),
    history: new GroupedTable<HistoryRecord>(),
    member: new SortedTable<MemberRecord>(),
    token: new SortedTable<TokenRecord>(),
    var: new SortedTable<VarRecord>(),
    role: new SortedTable<RoleRecord>(),
    settings: new SortedTable<SettingsRecord>(),
    config: new SortedTable<ConfigRecord>(),
    revision: new SortedTable<RevisionRecord>(),
    job: new SortedTable<JobRecord>(),
    ledger: new GroupedTable<LedgerRecord>(),
    event: new SortedTable<readonly EventRecord[]>(),
    idem: new SortedTable<IdempotencyRecord>(),
    session: new SortedTable<SessionRecord>(),
    keyring: new SortedTable<KeyringRecord>(),
    deleted: new SortedTable<DeletedRecord>(),
    generation: new SortedTable<GenerationRecord>(),
    merge: new SortedTable<MergeRecord>(),
    page: new GroupedTable<PageRecord>(),
    journal: new GroupedTable<JournalRecord>(),
  };
}

export class Contents {
  readonly tables = emptyTables();
  readonly generic: { readonly [P in KeyPrefix]: Table<RecordTypes[P]> } = this.tables;
  readonly nodeNames = new Map<PeerId, string>();
  readonly activeJobs = new SortedTable<JobRecord>();
  /** Keys of remembered answers by the index that wrote them (a merge writes many at one), then by key. */
  readonly idempotencyOrder = new SortedTable<string>();
  eventCount = 0;
  appliedIndex = 0;
}
