/** The tables behind the state, one per prefix, and the indexes over them: what a restore replaces as a whole. */
import { type PeerId } from "../base/ids.ts";
import { type KeyPrefix } from "./keys.ts";
import { type RecordTypes } from "./record-types.ts";
import { GroupedTable, SortedTable, type Table } from "./sorted-table.ts";

function emptyTables() {
  return {
    cluster: new SortedTable<RecordTypes["cluster"]>(),
    node: new SortedTable<RecordTypes["node"]>(),
    spec: new SortedTable<RecordTypes["spec"]>(),
    label: new SortedTable<RecordTypes["label"]>(),
    history: new GroupedTable<RecordTypes["history"]>(),
    member: new SortedTable<RecordTypes["member"]>(),
    token: new SortedTable<RecordTypes["token"]>(),
    var: new SortedTable<RecordTypes["var"]>(),
    role: new SortedTable<RecordTypes["role"]>(),
    settings: new SortedTable<RecordTypes["settings"]>(),
    config: new SortedTable<RecordTypes["config"]>(),
    revision: new SortedTable<RecordTypes["revision"]>(),
    job: new SortedTable<RecordTypes["job"]>(),
    ledger: new GroupedTable<RecordTypes["ledger"]>(),
    event: new SortedTable<RecordTypes["event"]>(),
    idem: new SortedTable<RecordTypes["idem"]>(),
    session: new SortedTable<RecordTypes["session"]>(),
    keyring: new SortedTable<RecordTypes["keyring"]>(),
    deleted: new SortedTable<RecordTypes["deleted"]>(),
    generation: new SortedTable<RecordTypes["generation"]>(),
    merge: new SortedTable<RecordTypes["merge"]>(),
    page: new GroupedTable<RecordTypes["page"]>(),
    journal: new GroupedTable<RecordTypes["journal"]>(),
  };
}

export class Contents {
  readonly tables = emptyTables();
  readonly generic: { readonly [P in KeyPrefix]: Table<RecordTypes[P]> } = this.tables;
  readonly nodeNames = new Map<PeerId, string>();
  readonly activeJobs = new SortedTable<RecordTypes["job"]>();
  /** Keys of remembered answers by the index that wrote them (a merge writes many at one), then by key. */
  readonly idempotencyOrder = new SortedTable<string>();
  eventCount = 0;
  appliedIndex = 0;
}
