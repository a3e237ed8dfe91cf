/**
 * What may not be lost, said without the code under test: for every record that a side wrote since the fork, either
 * its value is in force, or the journal has it, or it is of a kind that is only observed or remembered.
 */
import { canonicalJson, type Json } from "../../../../src/base/json.ts";
import { type StoredRecord } from "../../../../src/inventory/record-types.ts";
import {
  type EventRecord,
  type HistoryRecord,
  type JobRecord,
  type LedgerRecord,
  type MemberRecord,
  type NodeLabelsRecord,
  type NodeRecord,
  type TokenRecord,
} from "../../../../src/inventory/records.ts";
import { type InventoryView } from "../../../../src/inventory/view.ts";

interface Sides {
  readonly ours: readonly StoredRecord[];
  readonly theirs: readonly StoredRecord[];
  readonly fork: number;
}

/** Keys of acknowledged writes that are nowhere. */
export function missingAfterMerge(
  merged: InventoryView,
  loser: InventoryView,
  { ours, theirs, fork }: Sides,
): readonly string[] {
  const since = ({ modIndex }: StoredRecord): boolean => modIndex > fork;
  const here = (record: StoredRecord): boolean => isKept(merged, loser, record);
  const lost = theirs.filter(since).filter((record) => !here(record));
  const own = ours.filter(since).filter((record) => !isOwnKept(merged, record));
  return [...lost.map(({ key }) => `theirs: ${key}`), ...own.map(({ key }) => `ours: ${key}`)];
}

function isKept(
  merged: InventoryView,
  loser: InventoryView,
  { key, value }: StoredRecord,
): boolean {
  const [prefix = "", ...rest] = key.split("/");
  const id = rest.join("/");
  switch (prefix) {
    case "var":
      return same(merged.variable(id), value) || inJournal(merged, key, value);
    case "role":
      return same(merged.role(id), value) || inJournal(merged, key, value);
    case "settings":
      return same(merged.settings(), value) || inJournal(merged, key, value);
    case "spec": {
      const name = nameHere(merged, loser, id);
      return same(merged.spec(name), value) || inJournal(merged, `spec/${name}`, value);
    }
    case "label": {
      const name = nameHere(merged, loser, id);
      const { labels } = value as NodeLabelsRecord;
      return inJournal(merged, `label/${name}`, { labels }) || labelsKept(merged, name, value);
    }
    case "node":
      return nodeKept(merged, loser, value as NodeRecord);
    case "member": {
      const { id: peer, status } = value as MemberRecord;
      const now = merged.member(peer)?.status;
      const asked = merged.journal().some((entry) => entry.key === key);
      return now === "evicted" || now === status || asked;
    }
    case "token":
      return tokenKept(merged, value as TokenRecord);
    case "job":
      return jobKept(merged, value as JobRecord);
    case "ledger": {
      const { node, id: run } = value as LedgerRecord;
      const name = nameHere(merged, loser, node);
      const entry = merged.ledgerEntry(name, run);
      const kept = entry?.outcome === (value as LedgerRecord).outcome;
      return kept || merged.journal().some((one) => one.key === `ledger/${name}/${run}`);
    }
    case "history": {
      const name = nameHere(merged, loser, rest[0] ?? "");
      return merged.history(name).some((line) => sameLine(line, value as HistoryRecord));
    }
    case "event":
      return (value as readonly EventRecord[]).every((event) => eventKept(merged, event));
    case "idem":
      return merged.remembered(id) !== null;
    case "revision":
      return merged.revision(id) !== null;
    case "deleted":
      return deletionKept(merged, id);
    default:
      // config: the source is a case of its own; session: tested by retries.
      return prefix === "config" || prefix === "session";
  }
}

/** The winner's own writes stay, but for those that a rule gave up: these are in the journal. */
function isOwnKept(merged: InventoryView, { key, value }: StoredRecord): boolean {
  const [prefix = "", id = ""] = key.split("/");
  const ours = (at: string): boolean =>
    merged.journal().some((entry) => entry.key === at && same(entry.winnerValue, value));
  if (prefix === "var") return same(merged.variable(id), value) || ours(key);
  if (prefix === "role") return same(merged.role(id), value) || ours(key);
  if (prefix === "settings") return same(merged.settings(), value) || ours(key);
  if (prefix === "spec") return same(merged.spec(id), value) || ours(key);
  if (prefix === "member") {
    const { id: peer, status } = value as MemberRecord;
    return status !== "evicted" || merged.member(peer)?.status === "evicted";
  }
  if (prefix === "token") return tokenKept(merged, value as TokenRecord);
  if (prefix === "job") return merged.job(id) !== null;
  return true;
}

function bareText(value: unknown): string {
  if (value === null || value === undefined) return "null";
  const { version: _version, ...rest } = value as { readonly version?: number };
  return canonicalJson(rest);
}

function same(a: unknown, b: unknown): boolean {
  return bareText(a) === bareText(b);
}

function inJournal(merged: InventoryView, key: string, value: unknown): boolean {
  return merged.journal().some((entry) => entry.key === key && same(entry.loserValue, value));
}

function nameHere(merged: InventoryView, loser: InventoryView, name: string): string {
  const id = loser.node(name)?.id;
  return (id === undefined ? null : merged.nodeById(id)?.name) ?? name;
}

function labelsKept(merged: InventoryView, name: string, value: unknown): boolean {
  const { labels } = value as NodeLabelsRecord;
  const now = merged.labels(name).labels;
  return Object.entries(labels).every(([label, text]) => now[label] === text);
}

function nodeKept(merged: InventoryView, loser: InventoryView, theirs: NodeRecord): boolean {
  const now = merged.nodeById(theirs.id);
  const name = now?.name ?? theirs.name;
  const asked = merged.journal().some(({ key }) => key === `node/${name}`);
  if (now === null) return asked || merged.member(theirs.id)?.status === "evicted";
  const endedByMerge = theirs.job !== null && merged.job(theirs.job) !== null;
  const state = ({ phase, revision, appliedRoles }: NodeRecord): Json => ({
    phase,
    revision,
    appliedRoles,
  });
  return (
    same(state(now), state(theirs)) ||
    asked ||
    (endedByMerge && loser.job(theirs.job ?? "") !== null)
  );
}

function tokenKept(merged: InventoryView, side: TokenRecord): boolean {
  const now = merged.token(side.id);
  if (now === null) return false;
  const revoked = side.revokedAt === null || now.revokedAt !== null;
  const left = side.usesLeft === null || (now.usesLeft !== null && now.usesLeft <= side.usesLeft);
  return revoked && left && side.usedBy.every((peer) => now.usedBy.includes(peer));
}

function jobKept(merged: InventoryView, theirs: JobRecord): boolean {
  const now = merged.job(theirs.id);
  if (now === null) return false;
  const asked = merged.journal().some(({ key }) => key === `job/${theirs.id}`);
  const isOver = theirs.endedAt !== null;
  return asked || !isOver || now.status === theirs.status;
}

function sameLine(a: HistoryRecord, b: HistoryRecord): boolean {
  return a.at === b.at && a.kind === b.kind && a.to === b.to && a.reason === b.reason;
}

function eventKept(merged: InventoryView, event: EventRecord): boolean {
  const { type, at, index } = event;
  return merged
    .events(0, 1_000_000)
    .some((one) => one.type === type && one.at === at && one.data["originalIndex"] === index);
}

function deletionKept(merged: InventoryView, deleted: string): boolean {
  const [prefix = "", id = ""] = deleted.split("/");
  const gone =
    prefix === "var"
      ? merged.variable(id) === null
      : prefix === "role"
        ? merged.role(id) === null
        : (merged.token(id)?.revokedAt ?? 0) !== null;
  return (
    gone || merged.journal().some(({ key, loserValue }) => key === deleted && loserValue === null)
  );
}
