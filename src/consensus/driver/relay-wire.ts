/**
 * What a pull asks and what is answered, as plain values that any RPC carries. The hash chain ties both logs together:
 * the one who asks names its own at the last index it has, the answer names the one behind the last entry it carries.
 * Whatever arrives is checked; of a malformed message nothing is used.
 */
import { isJsonObject } from "../../base/json.ts";
import { isNodeId } from "../core/config-codec.ts";
import { type Entry, type Index, type NodeId } from "../core/types.ts";
import { bodyBytes, readBody, writeBody } from "../storage/entry-body.ts";

/** Where the word about the leader comes from: the members it went through, last one first; empty at its own follower. */
export type Path = readonly NodeId[];

/** Who leads, and how that is known; path null: it is not known. */
export interface Standing {
  readonly leader: NodeId | null;
  readonly path: Path | null;
}

export interface PullRequest {
  readonly generation: string;
  /** The first index that is wanted. */
  readonly from: Index;
  /** The hash chain at `from - 1`. */
  readonly chain: string;
  readonly maxBytes: number;
  /** How long to wait for news. */
  readonly waitMs: number;
  /** What the last answer said: something else is news. */
  readonly seen: Standing;
}

export type PullAnswer =
  | (Standing & {
      readonly kind: "entries";
      readonly entries: readonly Entry[];
      /** Behind the last of them; of no meaning without entries. */
      readonly chain: string;
      readonly applied: Index;
      readonly leaderAgeMs: number;
    })
  /** What is wanted was compacted: a snapshot is on its way. */
  | (Standing & { readonly kind: "snapshot"; readonly index: Index; readonly leaderAgeMs: number })
  /** The logs differ although both are committed. */
  | { readonly kind: "mismatch"; readonly chain: string }
  | { readonly kind: "foreign"; readonly generation: string }
  /** Too many are served, or this member takes no part now: try another. */
  | { readonly kind: "busy" };

export const maxPullBytes = 1024 * 1024;
export const maxWaitMs = 5000;
/** A cluster of thousands is fewer hops wide; longer is a loop. */
export const maxHops = 16;
const maxCount = 16_384;

export function parseRequest(value: unknown): PullRequest | null {
  if (!isJsonObject(value)) return null;
  const { generation, from, chain, maxBytes, waitMs, seen } = value;
  const standing = parseStanding(seen);
  if (!isHex(generation) || !isHex(chain) || standing === null) return null;
  if (!isWhole(from) || from < 1 || !isWhole(maxBytes) || !isWhole(waitMs)) return null;
  return {
    ...{ generation, from, chain, seen: standing },
    maxBytes: Math.min(maxBytes, maxPullBytes),
    waitMs: Math.min(waitMs, maxWaitMs),
  };
}

/** As it goes over the wire: entries as one run of bytes. */
export function encodeAnswer(answer: PullAnswer): unknown {
  if (answer.kind !== "entries") return answer;
  const { entries, ...rest } = answer;
  const body = Buffer.allocUnsafe(bodyBytes(entries));
  writeBody(body, 0, entries);
  return { ...rest, count: entries.length, body };
}

/** @param from the index that was asked for */
export function parseAnswer(value: unknown, from: Index): PullAnswer | null {
  if (!isJsonObject(value)) return null;
  const { kind, chain, generation, index, applied, leaderAgeMs } = value;
  if (kind === "busy") return { kind };
  if (kind === "foreign") return isHex(generation) ? { kind, generation } : null;
  if (kind === "mismatch") return isHex(chain) ? { kind, chain } : null;
  const standing = parseStanding(value);
  if (standing === null || !isWhole(leaderAgeMs)) return null;
  if (kind === "snapshot") {
    return isWhole(index) ? { ...standing, kind, index, leaderAgeMs } : null;
  }
  const entries = parseEntries(value, from);
  if (kind !== "entries" || entries === null || !isHex(chain) || !isWhole(applied)) return null;
  return { ...standing, kind, entries, chain, applied, leaderAgeMs };
}

function parseEntries(
  { count, body }: Readonly<Record<string, unknown>>,
  from: Index,
): readonly Entry[] | null {
  if (!isWhole(count) || count > maxCount || !(body instanceof Uint8Array)) return null;
  // Own bytes: what they came in may be used again.
  return readBody(Buffer.from(body), from, count);
}

function parseStanding(value: unknown): Standing | null {
  if (!isJsonObject(value)) return null;
  const { leader, path } = value;
  if (leader !== null && !isId(leader)) return null;
  if (path === null) return { leader, path };
  if (!Array.isArray(path) || path.length > maxHops || !path.every(isId)) return null;
  return { leader, path };
}

export function sameStanding(a: Standing, b: Standing): boolean {
  return a.leader === b.leader && (a.path?.join() ?? null) === (b.path?.join() ?? null);
}

function isId(value: unknown): value is NodeId {
  return typeof value === "string" && isNodeId(value);
}

function isHex(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{32}$/.test(value);
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
