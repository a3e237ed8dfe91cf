/**
 * What is only ever added (A): history, ledger, events, revisions, generations, earlier merges and their journals are
 * united. Two histories used the same indices for different things, so what comes from the other side is written at
 * the merge's own index, in its order there, with the times it had: readers that follow miss nothing.
 */
import { canonicalJson } from "../../base/json.ts";
import { type Draft } from "../draft.ts";
import { trimLedger } from "../ledger.ts";
import { limits } from "../limits.ts";
import { type JournalRecord } from "../lineage-records.ts";
import { indexText } from "../record-types.ts";
import { type EventRecord, type HistoryRecord, type LedgerRecord } from "../records.ts";
import { type Merging, bare } from "./merging.ts";

export function mergeRevisions({ draft, other, counts }: Merging): void {
  for (const theirs of other.records.revision.values()) {
    if (draft.view.revision(theirs.commit) !== null) continue;
    draft.put("revision", theirs.commit, theirs);
    counts.added += 1;
  }
}

export function mergePast(merging: Merging): void {
  mergeHistory(merging);
  for (const entry of merging.other.records.ledger.values()) mergeLedger(merging, entry);
  mergeGenerations(merging);
  mergeEvents(merging);
}

function mergeHistory(merging: Merging): void {
  const { draft, other, counts } = merging;
  const known = new Map<string, Set<string>>();
  for (const [id, theirs] of other.records.history) {
    const theirName = id.slice(0, id.indexOf("/"));
    const name = merging.nameOf(theirName) ?? theirName;
    const lines = known.get(name) ?? new Set(draft.view.history(name).map(lineOf));
    known.set(name, lines);
    if (lines.has(lineOf(theirs))) continue;
    lines.add(lineOf(theirs));
    draft.put("history", freeHistoryId(draft, name), theirs);
    counts.added += 1;
  }
  for (const name of known.keys()) {
    const old = draft.view.oldestHistory(name, limits.historyPerNode);
    for (const id of old) draft.delete("history", id);
  }
}

function lineOf(record: HistoryRecord): string {
  return canonicalJson(bare(record));
}

/** Digits of one length, so that text order is the order of arrival. */
function freeHistoryId(draft: Draft, name: string): string {
  for (let n = 1; ; n += 1) {
    const id = `${name}/${indexText(draft.index)}.${String(n).padStart(6, "0")}`;
    if (draft.view.get("history", id) === null) return id;
  }
}

function mergeLedger(merging: Merging, given: LedgerRecord): void {
  const { draft, other } = merging;
  const name = merging.nameOf(given.node) ?? given.node;
  const theirs = { ...given, node: name, index: draft.index };
  const ours = draft.view.ledgerEntry(name, given.id);
  const content = contentOf(theirs);
  if (ours !== null && contentOf(ours) === content) return addTranscripts(draft, ours, theirs);
  const holder = draft.view.node(name);
  const id = other.nodes.get(given.node) ?? null;
  const key = `ledger/${name}/${given.id}`;
  const conflict = {
    key,
    theirs: bare(given),
    theirVersion: given.version,
    ours: bare(ours),
    ourVersion: ours?.version ?? 0,
  };
  const verdict = merging.judge(
    key,
    { value: content, version: given.version },
    { value: ours === null ? null : contentOf(ours), version: ours?.version ?? 0 },
  );
  if (verdict === "known" || verdict === "older") return;
  const isForeign = holder !== null && holder.id !== id;
  if (isForeign || (ours !== null && (id === null || !merging.isTheirs(id)))) {
    const rule = isForeign ? "name-taken" : "side-of-the-node";
    return merging.journal({ ...conflict, rule, resolution: "superseded" });
  }
  draft.put("ledger", `${name}/${given.id}`, theirs);
  merging.counts.added += 1;
  if (ours !== null) {
    merging.journal({ ...conflict, rule: "side-of-the-node", resolution: "applied" });
  }
  trimLedger(draft, name);
}

/** What the run was and how it ended. */
function contentOf({ index: _index, transcripts: _transcripts, ...run }: LedgerRecord): string {
  return canonicalJson(bare(run));
}

function addTranscripts(draft: Draft, ours: LedgerRecord, theirs: LedgerRecord): void {
  const all = [...new Set([...ours.transcripts, ...theirs.transcripts])];
  const transcripts = all.slice(0, limits.transcriptPeers);
  if (transcripts.length === ours.transcripts.length) return;
  draft.put("ledger", `${ours.node}/${ours.id}`, { ...ours, transcripts });
}

function mergeGenerations({ draft, other, counts }: Merging): void {
  const { records } = other;
  for (const theirs of records.generation.values()) {
    const ours = draft.view.generation(theirs.id);
    const settledAt = ours?.settledAt ?? theirs.settledAt;
    if (ours?.settledAt === settledAt && ours !== null) continue;
    draft.put("generation", theirs.id, { ...(ours ?? theirs), settledAt });
    counts.added += 1;
  }
  for (const theirs of records.merge.values()) {
    if (draft.view.get("merge", theirs.id) !== null) continue;
    // Indices of their history say nothing in this one.
    draft.put("merge", theirs.id, { ...theirs, mergedAt: [] });
    counts.added += 1;
  }
  for (const [id, theirs] of records.journal) {
    const ours = draft.view.get("journal", id);
    if (ours !== null && !isNewer(ours, theirs)) continue;
    draft.put("journal", id, { ...theirs, winnerVersion: versionHere(draft, theirs.key) });
    counts.added += 1;
  }
}

/** Of two exports of one generation the longer one says what its value was in the end; a decision is news as well. */
function isNewer(ours: JournalRecord, theirs: JournalRecord): boolean {
  if (theirs.loserVersion !== ours.loserVersion) return theirs.loserVersion > ours.loserVersion;
  return ours.resolution === "pending" && theirs.resolution !== "pending";
}

/** Their journal was decided against a version of theirs; what is in force here now is what counts. */
function versionHere(draft: Draft, key: string): number {
  const slash = key.indexOf("/");
  const [prefix, id] = slash < 0 ? [key, ""] : [key.slice(0, slash), key.slice(slash + 1)];
  switch (prefix) {
    case "config":
      return draft.view.config().sourceVersion;
    case "spec":
    case "label":
    case "var":
    case "role":
    case "settings":
    case "member":
      return draft.view.modIndex(prefix, id);
    default:
      return 0;
  }
}

function mergeEvents(merging: Merging): void {
  const { draft, other, counts, generation } = merging;
  const known = new Set(draft.view.events(0, limits.events * 2).map(markOf));
  for (const batch of other.records.event.values()) {
    for (const event of batch) {
      const origin = { generation: generation.id, originalIndex: event.index };
      const data = { ...origin, ...event.data };
      const subject = subjectHere(merging, event.subject);
      const { at, type, message, by } = event;
      const mark = markOf({ ...event, subject, data });
      if (known.has(mark)) continue;
      known.add(mark);
      draft.append({ at, type, subject, message, by, data });
      counts.events += 1;
    }
  }
}

/** Which event of which history it is: the place in this stream does not matter. */
function markOf({ at, type, subject, message, data }: EventRecord): string {
  const { generation, originalIndex } = data;
  return canonicalJson([generation, originalIndex, at, type, subject, message]);
}

function subjectHere(merging: Merging, subject: string): string {
  if (!subject.startsWith("node/")) return subject;
  const name = subject.slice("node/".length);
  return `node/${merging.nameOf(name) ?? name}`;
}
