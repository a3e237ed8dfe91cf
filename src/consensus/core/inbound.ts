/**
 * The border: what a remote message must satisfy before the core looks at it. Anything else is dropped, so that a
 * broken or hostile peer can neither crash this node nor push its term or log out of the range of exact integers.
 */
import { configurationFault } from "./configuration.ts";
import { isNodeId } from "./config-codec.ts";
import {
  EntryType,
  type Entry,
  type Index,
  type Message,
  type SnapshotMeta,
  type Term,
} from "./types.ts";

/** Terms and indices stay far below 2^53, so that sums with them are exact. At 1000 a second: 8900 years. */
export const maxNumber = 2 ** 48;
const maxEntries = 16_384;
const maxAppendBytes = 64 << 20;
const maxMetaText = 256;

const entryTypes = new Set<number>(Object.values(EntryType));

function isNumber(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= maxNumber;
}

export function isWellFormed(message: Message): boolean {
  if (!isNodeId(message.from) || !isNodeId(message.to)) return false;
  if (!isNumber(message.term) || message.term === 0) return false;
  switch (message.type) {
    case "PreVote":
    case "Vote":
      return isNumber(message.lastIndex) && isNumber(message.lastTerm) && isFlag(message.transfer);
    case "PreVoteResp":
    case "VoteResp":
      return isFlag(message.granted) && isNumber(message.requestTerm);
    case "Append":
      return isAppend(message);
    case "AppendResp":
      return (
        [message.index, message.hintIndex, message.hintTerm].every(isNumber) && isFlag(message.ok)
      );
    case "Heartbeat":
      return [message.commit, message.leaderLast, message.round].every(isNumber);
    case "HeartbeatResp":
      return isNumber(message.round);
    case "Snapshot":
      return isSnapshot(message.meta) && message.meta.term <= message.term;
    case "TimeoutNow":
      return true;
    case "ReadIndex":
      return Number.isSafeInteger(message.context);
    case "ReadIndexResp":
      return Number.isSafeInteger(message.context) && isNumber(message.index) && isFlag(message.ok);
    default:
      return isNothing(message);
  }
}

/** A type this version does not know. */
function isNothing(_message: never): false {
  return false;
}

function isFlag(value: unknown): value is boolean {
  return typeof value === "boolean";
}

function isAppend(message: Extract<Message, { readonly type: "Append" }>): boolean {
  const { prevIndex, prevTerm, commit, leaderLast, entries, term } = message;
  if (![prevIndex, prevTerm, commit, leaderLast].every(isNumber)) return false;
  if (!Array.isArray(entries) || entries.length > maxEntries || prevTerm > term) return false;
  const newest = entries.at(-1)?.term ?? prevTerm;
  return newest <= term && runBytes(prevIndex, prevTerm, entries) <= maxAppendBytes;
}

/** Bytes of payload; infinite when this is no run of entries behind that position. */
function runBytes(prevIndex: Index, prevTerm: Term, entries: readonly Entry[]): number {
  let index = prevIndex;
  let newest = prevTerm;
  let bytes = 0;
  for (const entry of entries) {
    if (!isEntry(entry) || entry.index !== index + 1 || entry.term < newest) return Infinity;
    index = entry.index;
    newest = entry.term;
    bytes += entry.data.length;
  }
  return bytes;
}

/** Contiguous entries behind `prevIndex`, of terms that do not fall, within the limits of one message. */
export function isRun(prevIndex: Index, entries: readonly Entry[]): boolean {
  if (!isNumber(prevIndex) || !Array.isArray(entries)) return false;
  return entries.length <= maxEntries && runBytes(prevIndex, 0, entries) <= maxAppendBytes;
}

function isEntry({ index, term, type, data }: Entry): boolean {
  return isNumber(index) && isNumber(term) && entryTypes.has(type) && data instanceof Uint8Array;
}

export function isSnapshot({ id, index, term, config, sizeBytes, sha256 }: SnapshotMeta): boolean {
  if (![index, term, sizeBytes, config.index].every(isNumber)) return false;
  if (index === 0 || config.index > index || configurationFault(config) !== null) return false;
  return [id, sha256].every((text) => typeof text === "string" && text.length <= maxMetaText);
}
