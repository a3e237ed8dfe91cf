/** Small builders of log entries and writes for consensus tests. */
import { type LogGenesis, type LogWrite } from "../../src/consensus/driver/ports.ts";
import { bootstrapLineage } from "../../src/consensus/lineage/generation.ts";
import { encodeConfiguration } from "../../src/consensus/core/config-codec.ts";
import {
  type Configuration,
  type Entry,
  EntryType,
  type SnapshotMeta,
} from "../../src/consensus/core/types.ts";

export function command(index: number, term: number, text = `command ${index}`): Entry {
  return { index, term, type: EntryType.command, data: Buffer.from(text) };
}

export function commands(first: number, last: number, term: number): Entry[] {
  return Array.from({ length: last - first + 1 }, (_, i) => command(first + i, term));
}

export function configEntry(index: number, term: number, config: Configuration): Entry {
  return { index, term, type: EntryType.config, data: encodeConfiguration(config) };
}

/** Of snapshots whose history does not matter. */
export const history = { chain: "ab".repeat(16), generation: "0".repeat(32) };

/** What a store of a test's cluster begins with. */
export function genesis(bootstrap: Configuration | null): LogGenesis {
  return { bootstrap, lineage: bootstrapLineage("test") };
}

let writes = 0;

export function write(parts: Partial<LogWrite>): LogWrite {
  writes += 1;
  const empty = { truncateFrom: null, entries: [], hardState: null, snapshot: null };
  return { seq: writes, ...empty, mustSync: true, ...parts };
}

export function snapshotMeta(index: number, term: number, config: Configuration): SnapshotMeta {
  const sha256 = "00".repeat(32);
  return { id: `${index}-${term}`, index, term, config, ...history, sizeBytes: 0, sha256 };
}

/** Entries in a form that uvu compares and prints well. */
export function shown(entries: readonly Entry[] | null): readonly string[] | null {
  return (
    entries?.map(
      (e) => `${e.index}/${e.term} ${e.type} ${Buffer.from(e.data).toString("latin1")}`,
    ) ?? null
  );
}
