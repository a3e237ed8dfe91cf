/**
 * Turns one AppendOp into the batch for the database and the change of the in-memory index that follows it.
 * Pure, so that the delicate part (cutting a frame in two, restarting behind a snapshot) is testable alone.
 */
import { assert, must } from "../../base/assert.ts";
import {
  type Configuration,
  type Entry,
  type Index,
  type SnapshotMeta,
  type Term,
} from "../core/types.ts";
import { emptyConfiguration } from "../core/configuration.ts";
import { type LogWrite } from "../driver/ports.ts";
import { entryHeaderBytes } from "./entry-body.ts";
import { type Chain, chainOrigin, encodeFrame, type Frame } from "./frame.ts";
import { type BatchItem } from "./log-database.ts";
import { configurationIn, type FrameInfo, type LogIndex } from "./log-index.ts";
import { baseKey, encodeBase, frameKey, type LogBase } from "./log-records.ts";

/** Longer runs are split: a reader should not have to load many megabytes to give a follower a few. */
const maxFrameBytes = 1024 * 1024;

export interface WritePlan {
  readonly batch: readonly BatchItem[];
  /** End of the log after the write. */
  readonly last: Index;
  readonly lastTerm: Term;
  readonly chain: Chain;
  /** The configuration in force after the write. */
  readonly config: Configuration;
  /** To be called once the batch is durable. */
  readonly follow: () => void;
}

/** @param cut the frame that `op.truncateFrom` cuts in two, as `LogIndex.framesFrom` names it. */
export function planAppend(index: LogIndex, op: LogWrite, cut: Frame | null): WritePlan {
  const start = startOf(index, op, cut);
  const added = encodeRuns(op.entries, start);
  const end = added.at(-1)?.info ?? start;
  return {
    batch: [...start.batch, ...added.map(({ info, bytes }) => put(info.first, bytes))],
    last: end.last,
    lastTerm: op.entries.at(-1)?.term ?? start.lastTerm,
    chain: end.chain,
    config: newestConfiguration(op.entries) ?? start.config,
    follow: () => {
      start.follow();
      for (const { info, entries } of added) index.append(info, entries);
    },
  };
}

/** Of a log without entries. */
export function baseOfConfiguration(config: Configuration): LogBase {
  return { first: 1, anchor: { index: 0, term: 0, chain: chainOrigin }, config, snapshot: null };
}

function baseOfSnapshot(meta: SnapshotMeta): LogBase {
  const { index, term, chain, config } = meta;
  return { first: index + 1, anchor: { index, term, chain }, config, snapshot: meta };
}

function startOf(index: LogIndex, op: LogWrite, cut: Frame | null): WritePlan {
  if (op.snapshot !== null) return restart(index, baseOfSnapshot(op.snapshot));
  if (op.clear === true) return restart(index, baseOfConfiguration(emptyConfiguration));
  return truncate(index, op, cut);
}

function restart(index: LogIndex, base: LogBase): WritePlan {
  const batch: BatchItem[] = index.frames.map((frame) => del(frame.first));
  batch.push({ type: "put", key: baseKey, value: encodeBase(base) });
  const { index: last, term: lastTerm, chain } = base.anchor;
  const position = { last, lastTerm, chain, config: base.config };
  return { batch, ...position, follow: () => index.restart(base) };
}

function truncate(index: LogIndex, op: LogWrite, cut: Frame | null): WritePlan {
  const from = Math.min(op.truncateFrom ?? Infinity, index.last + 1);
  assert(from >= index.first, "only retained entries are truncated");
  const last = from - 1;
  const position = { last, lastTerm: index.termAt(last), config: index.configAt(last) };
  if (last === index.last) return { ...position, batch: [], chain: index.chain, follow: () => {} };
  const batch: BatchItem[] = index.framesFrom(from).whole.map((frame) => del(frame.first));
  if (cut === null) {
    const follow = (): void => index.truncateFrom(from, null);
    return { ...position, batch, chain: index.chainBehind(last), follow };
  }
  const { bytes, chain } = encodeFrame(cut.entries.slice(0, from - cut.first), cut.chainBefore);
  const info = { first: cut.first, last, byteLength: bytes.byteLength, chain };
  batch.push(put(cut.first, bytes));
  return { ...position, batch, chain, follow: () => index.truncateFrom(from, info) };
}

function newestConfiguration(entries: readonly Entry[]): Configuration | null {
  for (let i = entries.length - 1; i >= 0; i -= 1) {
    const entry = entries[i];
    const config = entry === undefined ? null : configurationIn(entry);
    if (config !== null) return config;
  }
  return null;
}

interface Run {
  readonly info: FrameInfo;
  readonly bytes: Buffer;
  readonly entries: readonly Entry[];
}

function encodeRuns(
  entries: readonly Entry[],
  start: { readonly last: Index; readonly chain: Chain },
): readonly Run[] {
  const runs: Run[] = [];
  let { last, chain } = start;
  for (const run of split(entries)) {
    const first = must(run[0], "a run is not empty").index;
    assert(first === last + 1, "appended entries continue the log");
    const { bytes, chain: behind } = encodeFrame(run, chain);
    last += run.length;
    chain = behind;
    runs.push({ info: { first, last, byteLength: bytes.byteLength, chain }, bytes, entries: run });
  }
  return runs;
}

function split(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const runs: (readonly Entry[])[] = [];
  let begin = 0;
  let size = 0;
  for (const [i, { data }] of entries.entries()) {
    const more = data.byteLength + entryHeaderBytes;
    if (i > begin && size + more > maxFrameBytes) {
      runs.push(entries.slice(begin, i));
      begin = i;
      size = 0;
    }
    size += more;
  }
  if (begin < entries.length) runs.push(begin === 0 ? entries : entries.slice(begin));
  return runs;
}

function put(first: Index, value: Buffer): BatchItem {
  return { type: "put", key: frameKey(first), value };
}

function del(first: Index): BatchItem {
  return { type: "del", key: frameKey(first) };
}
