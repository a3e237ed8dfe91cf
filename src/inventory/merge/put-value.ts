/**
 * Brings a value of the operator's records in force, as the journal holds it: the same for a merge that takes it and
 * for an operator who applies it later. Everything that follows from such a change follows here too.
 */
import { type Json, type JsonObject, canonicalJson } from "../../base/json.ts";
import { type Draft } from "../draft.ts";
import { type RecordTypes } from "../record-types.ts";
import { type NodeLabelsRecord, type NodeSpecRecord } from "../records.ts";
import { markRolesChanged } from "../reduce-nodes.ts";
import { bare } from "./merging.ts";

/** Prefixes whose values an operator may apply from the journal. */
export const operatorPrefixes = ["spec", "label", "var", "role", "settings", "config"] as const;
export type OperatorPrefix = (typeof operatorPrefixes)[number];

export function isOperatorPrefix(prefix: string): prefix is OperatorPrefix {
  return (operatorPrefixes as readonly string[]).includes(prefix);
}

/** The value of a record as the journal has it; null when there is none. */
export function valueOf<P extends OperatorPrefix>(prefix: P, record: RecordTypes[P] | null): Json {
  if (record === null) return null;
  if (prefix === "config") {
    const { source } = record as RecordTypes["config"];
    return { source };
  }
  if (prefix === "label") return { labels: (record as NodeLabelsRecord).labels };
  return bare(record);
}

/** Null deletes. */
export function putValue(
  draft: Draft,
  { prefix, id }: { readonly prefix: OperatorPrefix; readonly id: string },
  value: JsonObject | null,
): void {
  switch (prefix) {
    case "spec":
      return putSpec(draft, id, (value ?? { roles: [], vars: {} }) as never);
    case "label":
      return putLabels(draft, id, (value ?? { labels: {} }) as never);
    case "config":
      return putSource(draft, (value ?? { source: null }) as never);
    default:
      if (value === null) draft.delete(prefix, id);
      else draft.put(prefix, id, value);
  }
}

function putSpec(draft: Draft, node: string, spec: Omit<NodeSpecRecord, "version">): void {
  const before = draft.view.spec(node);
  draft.put("spec", node, spec);
  if (canonicalJson(before.roles) !== canonicalJson(spec.roles)) {
    markRolesChanged(draft, node, { from: before.roles, to: spec.roles });
  }
}

function putLabels(draft: Draft, node: string, { labels }: Pick<NodeLabelsRecord, "labels">): void {
  const before = draft.view.labels(node);
  const keys = [...new Set([...Object.keys(before.labels), ...Object.keys(labels)])];
  const changed = keys.filter((key) => before.labels[key] !== labels[key]);
  const stamps = { ...before.stamps };
  for (const key of changed) stamps[key] = draft.index;
  draft.put("label", node, { labels, stamps });
}

function putSource(draft: Draft, { source }: Pick<RecordTypes["config"], "source">): void {
  const { version: _version, ...config } = draft.view.config();
  draft.put("config", "", {
    ...config,
    source,
    sourceVersion: draft.index,
    refreshRequested: config.refreshRequested + 1,
    lastError: null,
  });
}
