/**
 * The replicated state of one agent: a keyspace of immutable records (keys.ts) with the indexes that its
 * readers need. Only the reducer writes it, through a Draft. Everything here is derived from the records
 * alone, so that a state restored from a snapshot answers like one that applied every entry.
 */
import { type PeerId } from "../base/ids.ts";
import { Contents } from "./contents.ts";
import { type KeyringRecord } from "./keyring.ts";
import { isPassive, type KeyPrefix, recordClasses } from "./keys.ts";
import {
  type IdempotencyRecord,
  type RecordTypes,
  type StoredRecord,
  indexText,
  keyOf,
  modIndexOf,
} from "./record-types.ts";
import {
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
  defaultSettings,
} from "./records.ts";
import { type InventoryView } from "./view.ts";

const noSpec: NodeSpecRecord = { roles: [], vars: {}, version: 0 };
const noLabels: NodeLabelsRecord = { labels: {}, stamps: {}, version: 0 };
const noSettings: SettingsRecord = { settings: defaultSettings, version: 0 };
const noConfig: ConfigRecord = {
  source: null,
  current: null,
  sourceVersion: 0,
  lastError: null,
  refreshRequested: 0,
  refreshDone: 0,
  version: 0,
};

function orderOf(key: string, { version }: IdempotencyRecord): string {
  return `${indexText(version)} ${key}`;
}

/** Records that are found by more than their id. */
function isIndexed(prefix: KeyPrefix): boolean {
  return prefix === "node" || prefix === "job" || prefix === "event" || prefix === "idem";
}

/** True while a job holds nodes or waits for them. */
export function isActive(job: JobRecord): boolean {
  return job.status === "queued" || job.status === "running" || job.status === "paused";
}

export class InventoryState implements InventoryView {
  #contents = new Contents();
  #changes = 0;

  /** Grows with each write of a record that some part of an agent may act on. */
  get changes(): number {
    return this.#changes;
  }

  get appliedIndex(): number {
    return this.#contents.appliedIndex;
  }

  set appliedIndex(index: number) {
    this.#contents.appliedIndex = index;
  }

  get<P extends KeyPrefix>(prefix: P, id: string): RecordTypes[P] | null {
    return this.#contents.generic[prefix].get(id) ?? null;
  }

  put<P extends KeyPrefix>(prefix: P, id: string, value: RecordTypes[P]): void {
    if (isIndexed(prefix)) this.#unindex(prefix, id);
    this.#contents.generic[prefix].set(id, value);
    if (isIndexed(prefix)) this.#index(prefix, id);
    if (!isPassive(prefix)) this.#changes += 1;
  }

  delete(prefix: KeyPrefix, id: string): void {
    if (isIndexed(prefix)) this.#unindex(prefix, id);
    this.#contents.generic[prefix].delete(id);
    if (!isPassive(prefix)) this.#changes += 1;
  }

  /** Events of the entry at `index`, which has none yet. */
  addEvents(index: number, batch: readonly EventRecord[]): void {
    this.#contents.tables.event.set(indexText(index), batch);
    this.#contents.eventCount += batch.length;
  }

  /** Forgets the oldest events as long as at least `keep` are left. */
  dropOldEvents(keep: number): void {
    const { event } = this.#contents.tables;
    for (;;) {
      const id = this.#contents.eventCount <= keep ? null : event.firstId();
      const batch = id === null ? undefined : event.get(id);
      if (id === null || batch === undefined) return;
      if (this.#contents.eventCount - batch.length < keep) return;
      event.delete(id);
      this.#contents.eventCount -= batch.length;
    }
  }

  /** Raft index of the last write of a record, 0 when there is none. */
  modIndex(prefix: KeyPrefix, id: string): number {
    const value = this.get(prefix, id);
    return value === null ? 0 : modIndexOf(value);
  }

  /** Every record there is now, in a fixed order; later writes do not touch the answer. */
  image(): readonly StoredRecord[] {
    const records: StoredRecord[] = [];
    for (const prefix of Object.keys(recordClasses).sort() as KeyPrefix[]) {
      for (const [id, value] of this.#contents.generic[prefix].entries()) {
        records.push({ key: keyOf(prefix, id), modIndex: modIndexOf(value), value });
      }
    }
    return records;
  }

  /** Takes over all contents of `other`, at once. `other` must not be used any more. */
  adopt(other: InventoryState): void {
    this.#contents = other.#contents;
    this.#changes += 1;
  }

  cluster(): ClusterRecord | null {
    return this.get("cluster", "");
  }

  node(name: string): NodeRecord | null {
    return this.get("node", name);
  }

  nodeById(id: PeerId): NodeRecord | null {
    const name = this.#contents.nodeNames.get(id);
    return name === undefined ? null : this.node(name);
  }

  nodes(): readonly NodeRecord[] {
    return this.#contents.tables.node.list();
  }

  spec(node: string): NodeSpecRecord {
    return this.get("spec", node) ?? noSpec;
  }

  labels(node: string): NodeLabelsRecord {
    return this.get("label", node) ?? noLabels;
  }

  history(node: string): readonly HistoryRecord[] {
    return this.#contents.tables.history.list(node);
  }

  member(id: PeerId): MemberRecord | null {
    return this.get("member", id);
  }

  members(): readonly MemberRecord[] {
    return this.#contents.tables.member.list();
  }

  token(id: string): TokenRecord | null {
    return this.get("token", id);
  }

  tokens(): readonly TokenRecord[] {
    return this.#contents.tables.token.list();
  }

  variable(key: string): VarRecord | null {
    return this.get("var", key);
  }

  variables(): readonly VarRecord[] {
    return this.#contents.tables.var.list();
  }

  role(name: string): RoleRecord | null {
    return this.get("role", name);
  }

  roles(): readonly RoleRecord[] {
    return this.#contents.tables.role.list();
  }

  settings(): SettingsRecord {
    return this.get("settings", "") ?? noSettings;
  }

  config(): ConfigRecord {
    return this.get("config", "") ?? noConfig;
  }

  keyring(): KeyringRecord | null {
    return this.get("keyring", "");
  }

  revision(commit: string): RevisionRecord | null {
    return this.get("revision", commit);
  }

  revisions(): readonly RevisionRecord[] {
    return this.#contents.tables.revision.list();
  }

  job(id: string): JobRecord | null {
    return this.get("job", id);
  }

  jobs(): readonly JobRecord[] {
    return this.#contents.tables.job.list();
  }

  activeJobs(): readonly JobRecord[] {
    return this.#contents.activeJobs.list();
  }

  /** In the order in which the runs were recorded. */
  ledger(node: string): readonly LedgerRecord[] {
    const runs = this.#contents.tables.ledger.list(node);
    return runs.toSorted((a, b) => a.index - b.index || a.endedAt - b.endedAt);
  }

  ledgerEntry(node: string, run: string): LedgerRecord | null {
    return this.get("ledger", `${node}/${run}`);
  }

  events(afterIndex: number, limit: number): readonly EventRecord[] {
    const events: EventRecord[] = [];
    for (const [, batch] of this.#contents.tables.event.from(indexText(afterIndex + 1))) {
      if (events.length > 0 && events.length + batch.length > limit) break;
      events.push(...batch);
    }
    return events;
  }

  generations(): readonly GenerationRecord[] {
    return this.#contents.tables.generation.list();
  }

  generation(id: string): GenerationRecord | null {
    return this.get("generation", id);
  }

  merges(): readonly MergeRecord[] {
    return this.#contents.tables.merge.list();
  }

  journal(): readonly JournalRecord[] {
    return this.merges().flatMap(({ id }) => this.journalOf(id));
  }

  journalOf(generation: string): readonly JournalRecord[] {
    return this.#contents.tables.journal.list(generation);
  }

  /** Pages of a generation that wait for the rest of their export. */
  pages(generation: string): readonly PageRecord[] {
    return this.#contents.tables.page.list(generation);
  }

  remembered(key: string): IdempotencyRecord | null {
    return this.get("idem", key);
  }

  get firstEventIndex(): number {
    return Number(this.#contents.tables.event.firstId() ?? 0);
  }

  get eventCount(): number {
    return this.#contents.eventCount;
  }

  /** Ids of the history of a node that are older than its newest `keep`. */
  oldestHistory(node: string, keep: number): readonly string[] {
    return this.#contents.tables.history.idsBeyond(node, keep);
  }

  /** Where the first deletion is noted when more than `keep` are; null when not. */
  oldestDeletion(keep: number): string | null {
    const { deleted } = this.#contents.tables;
    if (deleted.size <= keep) return null;
    const rows = deleted.entries();
    return rows.reduce((a, b) => (b[1].version < a[1].version ? b : a))[0];
  }

  /** The remembered answer that was written first. */
  oldestIdempotency(): { readonly key: string; readonly answer: IdempotencyRecord } | null {
    const { idempotencyOrder } = this.#contents;
    const key = idempotencyOrder.get(idempotencyOrder.firstId() ?? "");
    const answer = key === undefined ? null : this.get("idem", key);
    return key === undefined || answer === null ? null : { key, answer };
  }

  /** How many records there are under a prefix. */
  count(prefix: KeyPrefix): number {
    return this.#contents.generic[prefix].size;
  }

  #unindex(prefix: KeyPrefix, id: string): void {
    if (prefix === "node") {
      const node = this.node(id);
      if (node !== null) this.#contents.nodeNames.delete(node.id);
    } else if (prefix === "job") {
      this.#contents.activeJobs.delete(id);
    } else if (prefix === "event") {
      this.#contents.eventCount -= this.get("event", id)?.length ?? 0;
    } else if (prefix === "idem") {
      const answer = this.get("idem", id);
      if (answer !== null) this.#contents.idempotencyOrder.delete(orderOf(id, answer));
    }
  }

  #index(prefix: KeyPrefix, id: string): void {
    if (prefix === "node") {
      const node = this.node(id);
      if (node !== null) this.#contents.nodeNames.set(node.id, id);
    } else if (prefix === "job") {
      const job = this.job(id);
      if (job !== null && isActive(job)) this.#contents.activeJobs.set(id, job);
    } else if (prefix === "event") {
      this.#contents.eventCount += this.get("event", id)?.length ?? 0;
    } else if (prefix === "idem") {
      const answer = this.get("idem", id);
      if (answer !== null) this.#contents.idempotencyOrder.set(orderOf(id, answer), id);
    }
  }
}
