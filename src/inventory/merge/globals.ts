/**
 * What operators wrote (G): the value that only one side changed is taken; where both did, the winner's stays and the
 * other waits in the journal. Labels (C) are merged key by key, the configuration by its source alone: the rest of
 * that record is the leader's own bookkeeping.
 */
import { type Json, type JsonObject } from "../../base/json.ts";
import { type NodeLabelsRecord } from "../records.ts";
import { type Merging, bare } from "./merging.ts";
import { type OperatorPrefix, putValue, valueOf } from "./put-value.ts";

export function mergeGlobals(merging: Merging): void {
  const { records } = merging.other;
  for (const [name, spec] of records.spec) {
    mergeValue(merging, { prefix: "spec", id: name, value: bare(spec), version: spec.version });
  }
  for (const [name, labels] of records.label) mergeLabels(merging, name, labels);
  for (const prefix of ["var", "role", "settings"] as const) {
    for (const [id, record] of records[prefix]) {
      mergeValue(merging, { prefix, id, value: bare(record), version: record.version });
    }
  }
  for (const [deleted, { version }] of records.deleted) {
    const slash = deleted.indexOf("/");
    const prefix = deleted.slice(0, slash);
    const id = deleted.slice(slash + 1);
    if (prefix === "var" || prefix === "role")
      mergeValue(merging, { prefix, id, value: null, version });
  }
  mergeSource(merging);
}

interface Theirs {
  readonly prefix: OperatorPrefix;
  /** On the other side. */
  readonly id: string;
  readonly value: Json;
  readonly version: number;
}

function mergeValue(merging: Merging, theirs: Theirs): void {
  const { prefix, value, version } = theirs;
  const { view } = merging.draft;
  const id = hereOf(merging, theirs);
  const record = id === null ? null : view.get(prefix, id);
  const ours = id === null ? null : valueOf(prefix, record);
  const mark = id === null ? null : view.get("deleted", `${prefix}/${id}`);
  const ourVersion = record?.version ?? 0;
  const verdict = merging.judge(
    `${prefix}/${theirs.id}`,
    { value, version },
    { value: ours, version: record?.version ?? mark?.version ?? 0 },
  );
  if (verdict === "same" || verdict === "known") return;
  const key = `${prefix}/${id ?? theirs.id}`.replace(/\/$/, "");
  const conflict = { key, theirs: value, theirVersion: version, ours, ourVersion };
  if (verdict === "older") merging.journalOlder(conflict);
  else if (id === null) {
    merging.journal({ ...conflict, rule: "eviction-wins", resolution: "superseded" });
  } else if (verdict === "take") {
    putValue(merging.draft, { prefix, id }, value as JsonObject | null);
    merging.counts.applied += 1;
  } else {
    merging.journal({ ...conflict, rule: "winner", resolution: "pending" });
  }
}

/** Records of a node follow its name; null when the node may not be here. */
function hereOf(merging: Merging, { prefix, id }: Pick<Theirs, "prefix" | "id">): string | null {
  return prefix === "spec" || prefix === "label" ? merging.nameOf(id) : id;
}

function mergeLabels(merging: Merging, theirName: string, theirs: NodeLabelsRecord): void {
  const name = merging.nameOf(theirName);
  const value = { labels: theirs.labels };
  const record = name === null ? null : merging.draft.view.get("label", name);
  if (name === null || record === null || !merging.wroteHere(record.version)) {
    return mergeValue(merging, { prefix: "label", id: theirName, value, version: theirs.version });
  }
  const ours = { labels: record.labels };
  const verdict = merging.judge(
    `label/${theirName}`,
    { value, version: theirs.version },
    { value: ours, version: record.version },
  );
  if (verdict === "same" || verdict === "known") return;
  const known = { key: `label/${name}`, theirs: value, theirVersion: theirs.version, ours };
  if (verdict === "older") return merging.journalOlder({ ...known, ourVersion: record.version });
  const { labels, lost } = unite(merging, theirs, record);
  putValue(merging.draft, { prefix: "label", id: name }, { labels });
  merging.counts.applied += 1;
  if (!lost) return;
  const ourVersion = merging.draft.view.labels(name).version;
  merging.journal({ ...known, ourVersion, rule: "winner-by-key", resolution: "pending" });
}

/** Key by key; `lost` when both sides changed one to different ends. */
function unite(merging: Merging, theirs: NodeLabelsRecord, ours: NodeLabelsRecord) {
  const labels: Record<string, string> = { ...ours.labels };
  let lost = false;
  for (const [key, stamp] of Object.entries(theirs.stamps)) {
    const value = theirs.labels[key];
    if (stamp <= merging.other.fork || value === labels[key]) continue;
    if (merging.wroteHere(ours.stamps[key] ?? 0)) lost = true;
    else if (value === undefined) delete labels[key];
    else labels[key] = value;
  }
  return { labels, lost };
}

function mergeSource(merging: Merging): void {
  const theirs = merging.other.records.config.get("");
  if (theirs === undefined || theirs.sourceVersion <= merging.other.fork) return;
  const ours = merging.draft.view.config();
  const value = valueOf("config", theirs);
  const verdict = merging.judge(
    "config",
    { value, version: theirs.sourceVersion },
    { value: valueOf("config", ours), version: ours.sourceVersion },
  );
  const conflict = {
    key: "config",
    theirs: value,
    theirVersion: theirs.sourceVersion,
    ours: valueOf("config", ours),
    ourVersion: ours.sourceVersion,
  };
  if (verdict === "take") {
    putValue(merging.draft, { prefix: "config", id: "" }, value as JsonObject);
    merging.counts.applied += 1;
  } else if (verdict === "both") {
    merging.journal({ ...conflict, rule: "winner", resolution: "pending" });
  } else if (verdict === "older") merging.journalOlder(conflict);
}
