/** Nodes as the API shows them: three records (observed, wanted, labels) as one object with one version. */
import { rfc3339 } from "../../base/clock.ts";
import { nodeVersion } from "../../inventory/node-version.ts";
import { type HistoryRecord, type LedgerRecord, type NodeRecord } from "../../inventory/records.ts";
import { type InventoryView } from "../../inventory/view.ts";
import { type HistoryEntry, type LedgerEntry, type Node } from "../contract/nodes.ts";
import { conditionsOf } from "./conditions.ts";
import { maskVars, secretNames } from "./secrets.ts";

/** So many of the newest history entries come with a node; the others are at …/history. */
export const shownHistory = 50;

/** Null when there is no such node. */
export function toNode(view: InventoryView, name: string): Node | null {
  const node = view.node(name);
  return node === null ? null : nodeView(view, node, secretNames(view));
}

export function toNodes(view: InventoryView, nodes: readonly NodeRecord[]): readonly Node[] {
  const secrets = secretNames(view);
  return nodes.map((node) => nodeView(view, node, secrets));
}

function nodeView(view: InventoryView, node: NodeRecord, secrets: ReadonlySet<string>): Node {
  const { name, id, phase, reachability, facts, address, revision, job, lastJob } = node;
  const spec = view.spec(name);
  return {
    name,
    id,
    phase,
    reachability,
    roles: spec.roles,
    labels: view.labels(name).labels,
    vars: maskVars(spec.vars, secrets),
    facts,
    address,
    revision,
    conditions: conditionsOf(node).map((condition) => ({
      ...condition,
      since: rfc3339(condition.since),
    })),
    job,
    lastJob,
    history: view.history(name).slice(-shownHistory).map(toHistoryEntry),
    version: nodeVersion(view, name),
  };
}

export function toHistoryEntry(record: HistoryRecord): HistoryEntry {
  const { at, index, kind, from, to, by, reason, job } = record;
  return { at: rfc3339(at), index, kind, from, to, by, reason, job };
}

export function toLedgerEntry(record: LedgerRecord, secrets: ReadonlySet<string>): LedgerEntry {
  const { id, job, role, action, attempt, revision, outcome, exitCode, signal, message } = record;
  return {
    run: id,
    job,
    role,
    action,
    attempt,
    revision,
    outcome,
    exitCode,
    signal,
    startedAt: rfc3339(record.startedAt),
    endedAt: rfc3339(record.endedAt),
    message,
    vars: maskVars(record.vars, secrets),
    varsDigest: record.varsDigest,
  };
}
