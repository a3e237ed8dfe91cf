/**
 * A configuration as the bytes of a config entry (JSON, version 1) and as part of other JSON records.
 * Decoding is strict: unknown or missing members, wrong types, absurd sizes and impossible structures give null,
 * never a configuration that is a little wrong. The index is not in the bytes: it is that of the entry.
 */
import { assert } from "../../base/assert.ts";
import { configurationFault } from "./configuration.ts";
import { type Configuration, type Index, type NodeId } from "./types.ts";

const version = 1;
const maxBytes = 1 << 20;
const maxMembers = 10_000;
const maxIdLength = 128;
const listNames = ["standbys", "standbysNext", "observers", "lost"] as const;
const memberNames = ["v", "sets", ...listNames, "autoLeave"];

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  assert(configurationFault(configuration) === null, "only well formed configurations are encoded");
  const { sets, standbys, standbysNext, observers, lost, autoLeave } = configuration;
  const record = { v: version, sets, standbys, standbysNext, observers, lost, autoLeave };
  const bytes = new TextEncoder().encode(JSON.stringify(record));
  assert(bytes.length <= maxBytes, "a configuration fits an entry");
  return bytes;
}

/** The configuration that the entry at `index` carries, or null when the bytes are no configuration. */
export function decodeConfiguration(data: Uint8Array, index: Index): Configuration | null {
  if (data.length > maxBytes) return null;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(data);
    return parseConfiguration(JSON.parse(text), index);
  } catch {
    // Not UTF-8 or not JSON: the same verdict as any other malformed input.
    return null;
  }
}

/** The same for a value that was parsed already (snapshot headers, messages). */
export function parseConfiguration(value: unknown, index: Index): Configuration | null {
  if (!Number.isSafeInteger(index) || index < 0) return null;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const members = new Map<string, unknown>(Object.entries(value));
  if (members.size !== memberNames.length) return null;
  if (!memberNames.every((name) => members.has(name)) || members.get("v") !== version) return null;
  const sets = members.get("sets");
  const autoLeave = members.get("autoLeave");
  if (!Array.isArray(sets) || sets.length > 2 || typeof autoLeave !== "boolean") return null;
  const voters = sets.map(idList);
  const [standbys, standbysNext, observers, lost] = listNames.map((name) =>
    idList(members.get(name)),
  );
  if (!standbys || !standbysNext || !observers || !lost) return null;
  if (!voters.every((set) => set !== null)) return null;
  const result = { index, sets: voters, standbys, standbysNext, observers, lost, autoLeave };
  return configurationFault(result) === null ? result : null;
}

function idList(value: unknown): readonly NodeId[] | null {
  if (!Array.isArray(value) || value.length > maxMembers) return null;
  const ids: NodeId[] = [];
  for (const id of value as readonly unknown[]) {
    if (!isNodeId(id)) return null;
    ids.push(id);
  }
  return ids;
}

/** The core never looks into an id; it only refuses what cannot be one. */
export function isNodeId(value: unknown): value is NodeId {
  return typeof value === "string" && value.length > 0 && value.length <= maxIdLength;
}
