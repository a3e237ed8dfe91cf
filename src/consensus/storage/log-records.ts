/**
 * Keys and small records of the log's database. `base` says where the log begins, `head` where it ends and what
 * this agent promised (term, vote); the head is part of every write, so it tells which write was the last.
 */
import { encodeConfiguration, parseConfiguration } from "../core/config-codec.ts";
import {
  type Configuration,
  type HardState,
  type Index,
  type SnapshotMeta,
  type Term,
} from "../core/types.ts";
import { parseLineage } from "../lineage/lineage-codec.ts";
import { type Lineage } from "../lineage/types.ts";
import { type Chain } from "./frame.ts";
import { seal, unseal } from "./sealed.ts";

export const baseKey = Buffer.from("base");
export const headKey = Buffer.from("head");
export const lineageKey = Buffer.from("lineage");
const framePrefix = 0x66; // "f", behind "base" and before "head" in key order
export const framesEnd = Buffer.from([framePrefix + 1]);

/** Where the retained log begins. */
export interface LogBase {
  readonly first: Index;
  /** Position before the oldest frame (which may begin before `first`) with its term and chain. */
  readonly anchor: { readonly index: Index; readonly term: Term; readonly chain: Chain };
  /** In force just before `first`. */
  readonly config: Configuration;
  /** The snapshot that was installed from a peer and began this log, if one did. */
  readonly snapshot: SnapshotMeta | null;
}

export interface LogHead {
  /** Number of the last durable write; commit-only updates keep it. */
  readonly op: number;
  readonly hardState: HardState;
  readonly last: Index;
  readonly chain: Chain;
  /** Number of the write that left the lineage as it is: a lineage record of another one is not the right one. */
  readonly lineageOp: number;
}

/** Where this agent is in the tree of generations, written only when that changes. */
export interface LineageRecord {
  readonly op: number;
  readonly lineage: Lineage;
}

export function frameKey(first: Index): Buffer {
  const key = Buffer.alloc(9);
  key.writeUInt8(framePrefix, 0);
  key.writeUIntBE(first, 3, 6);
  return key;
}

export function encodeHead({ op, hardState, last, chain, lineageOp }: LogHead): Buffer {
  return seal([op, hardState.term, hardState.vote, hardState.commit, last, chain, lineageOp]);
}

export function decodeHead(record: Buffer): LogHead | null {
  const row = unseal(record);
  if (!Array.isArray(row)) return null;
  const [op, term, vote, commit, last, chain, lineageOp] = row as readonly unknown[];
  if (!isCount(op) || !isCount(term) || !isCount(commit) || !isCount(last)) return null;
  if (!isVote(vote) || typeof chain !== "string" || !isCount(lineageOp)) return null;
  return { op, hardState: { term, vote, commit }, last, chain, lineageOp };
}

export function encodeLineage({ op, lineage }: LineageRecord): Buffer {
  return seal([op, lineage]);
}

export function decodeLineage(record: Buffer): LineageRecord | null {
  const row = unseal(record);
  if (!Array.isArray(row)) return null;
  const [op, value] = row as readonly unknown[];
  const lineage = parseLineage(value);
  return isCount(op) && lineage !== null ? { op, lineage } : null;
}

export function encodeBase({ first, anchor, config, snapshot }: LogBase): Buffer {
  const taken = snapshot === null ? null : metaRow(snapshot);
  const position = [first, anchor.index, anchor.term, anchor.chain];
  return seal([...position, config.index, configText(config), taken]);
}

export function decodeBase(record: Buffer): LogBase | null {
  const row = unseal(record);
  if (!Array.isArray(row)) return null;
  const [first, index, term, chain, configIndex, text, taken] = row as readonly unknown[];
  if (!isCount(first) || !isCount(index) || !isCount(term) || typeof chain !== "string")
    return null;
  const config = configOf(configIndex, text);
  const snapshot = taken === null ? null : metaOf(taken);
  if (config === null || (taken !== null && snapshot === null)) return null;
  return { first, anchor: { index, term, chain }, config, snapshot };
}

/** A snapshot's description as a flat row; `metaOf` reads it back, or gives null. */
export function metaRow(meta: SnapshotMeta): readonly unknown[] {
  const { id, index, term, chain, generation, sizeBytes, sha256, config } = meta;
  const position = [id, index, term, chain, generation];
  return [...position, sizeBytes, sha256, config.index, configText(config)];
}

export function metaOf(row: unknown): SnapshotMeta | null {
  if (!Array.isArray(row)) return null;
  const [id, index, term, chain, generation, ...rest] = row as readonly unknown[];
  const [sizeBytes, sha256, configIndex, text] = rest;
  if (typeof id !== "string" || typeof sha256 !== "string") return null;
  if (typeof chain !== "string" || typeof generation !== "string") return null;
  if (!isCount(index) || !isCount(term) || !isCount(sizeBytes)) return null;
  const config = configOf(configIndex, text);
  if (config === null) return null;
  return { id, index, term, chain, generation, config, sizeBytes, sha256 };
}

export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

export function isVote(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}

function configText(config: Configuration): string {
  return new TextDecoder().decode(encodeConfiguration(config));
}

function configOf(index: unknown, text: unknown): Configuration | null {
  if (!isCount(index) || typeof text !== "string") return null;
  const value: unknown = JSON.parse(text); // Under a CRC: what was encoded is JSON.
  return parseConfiguration(value, index);
}
