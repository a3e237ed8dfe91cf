/** An export, read whole and checked record by record: nothing of it is used before all of it is good. */
import { type PeerId } from "../../base/ids.ts";
import { type Json, isJsonObject } from "../../base/json.ts";
import { newPackr } from "../codec.ts";
import { isKnownSchema, schemaVersion } from "../commands.ts";
import { InventoryError } from "../errors.ts";
import { type ExportedPrefix, classOf } from "../keys.ts";
import { checkName } from "../names.ts";
import { type RecordTypes } from "../record-types.ts";
import { storedShapes } from "../stored-shapes.ts";
import { exportFormat } from "./export.ts";
import { storedProblem } from "./stored-checks.ts";

type Records = { readonly [P in ExportedPrefix]: ReadonlyMap<string, RecordTypes[P]> };

/** What the side that lost has written since the fork. */
export interface OtherSide {
  readonly cluster: string;
  readonly fork: number;
  /** Index up to which it goes, in its own history. */
  readonly index: number;
  /** All its nodes, changed or not. */
  readonly nodes: ReadonlyMap<string, PeerId>;
  /** How many events it has since the fork; more than are in `records` when there are too many. */
  readonly events: number;
  /** It comes in several parts, and this is not the first. */
  readonly continues: boolean;
  /** Nothing comes after it. */
  readonly isLast: boolean;
  readonly records: Records;
}

/** @throws InventoryError MERGE_INVALID. */
export function readOtherSide(bytes: Uint8Array): OtherSide {
  const [header, nodes, ...rest] = [...items(Buffer.from(bytes))];
  const trailer = rest.pop();
  if (!isJsonObject(header) || header["format"] !== exportFormat) throw invalid("it is no export");
  if (!isKnownSchema(header["v"])) {
    throw invalid(
      `it has schema version ${String(header["v"])}, this agent knows ${schemaVersion}`,
    );
  }
  if (!isJsonObject(trailer) || trailer["end"] !== true || trailer["count"] !== rest.length) {
    throw invalid("it has no end");
  }
  const { fork, index, cluster, events, part = 0, parts = 1 } = header;
  if (!isCount(fork) || !isCount(index) || !isCount(events) || typeof cluster !== "string") {
    throw invalid("its header is incomplete");
  }
  if (!isCount(part) || !isCount(parts) || part >= parts) throw invalid("it is no part of itself");
  return {
    cluster,
    fork,
    index,
    events,
    continues: part > 0,
    isLast: part === parts - 1,
    nodes: readNodes(nodes),
    records: readRecords(rest, fork),
  };
}

function* items(bytes: Buffer): Generator<Json> {
  const packr = newPackr();
  let at = 0;
  while (bytes.length - at >= 4) {
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) break;
    try {
      yield packr.unpack(bytes.subarray(at + 4, end)) as Json;
    } catch {
      throw invalid("an item is not msgpack");
    }
    at = end;
  }
  if (at < bytes.length) throw invalid("it ends inside an item");
}

function readNodes(item: Json | undefined): ReadonlyMap<string, PeerId> {
  const pairs = isJsonObject(item) ? item["nodes"] : undefined;
  if (!Array.isArray(pairs)) throw invalid("it does not say which nodes it has");
  const nodes = new Map<string, PeerId>();
  for (const pair of pairs as readonly Json[]) {
    const [name, id] = Array.isArray(pair) ? (pair as readonly Json[]) : [];
    if (typeof name !== "string" || typeof id !== "string")
      throw invalid("a node has no name or id");
    const problem = checkName("node", name) ?? checkName("peer id", id);
    if (problem !== null) throw invalid(problem);
    nodes.set(name, id as PeerId);
  }
  if (new Set(nodes.values()).size !== nodes.size) throw invalid("two nodes have one identity");
  return nodes;
}

function readRecords(list: readonly Json[], fork: number): Records {
  const records = Object.fromEntries(
    exportedPrefixes.map((prefix) => [prefix, new Map()]),
  ) as unknown as { readonly [P in ExportedPrefix]: Map<string, unknown> };
  for (const item of list) {
    const [key, version, value] = Array.isArray(item) ? (item as readonly Json[]) : [];
    if (typeof key !== "string" || !isCount(version)) throw invalid("an item is no record");
    const slash = key.indexOf("/");
    const prefix = (slash < 0 ? key : key.slice(0, slash)) as ExportedPrefix;
    const id = slash < 0 ? "" : key.slice(slash + 1);
    if (classOf(key) === null || !exportedPrefixes.includes(prefix)) {
      throw invalid(`record "${key.slice(0, 80)}" is of no kind that can be merged`);
    }
    if (version <= fork && prefix !== "revision")
      throw invalid(`record "${key.slice(0, 80)}" is older than the fork`);
    const problem = storedProblem(prefix, id, { value, version });
    if (problem !== null) throw invalid(problem);
    records[prefix].set(id, value);
  }
  return records as unknown as Records;
}

const exportedPrefixes = Object.keys(storedShapes) as readonly ExportedPrefix[];

function isCount(value: Json | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function invalid(reason: string): InventoryError {
  return new InventoryError("MERGE_INVALID", `Cannot read the export: ${reason}`);
}
