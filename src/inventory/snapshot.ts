/**
 * The state as a stream of bytes: msgpack items, each behind its length (4 bytes, big-endian): a header, every
 * record as [key, modIndex, value], a trailer with their count. Chunks are made when the reader asks for
 * them, so a large state never blocks the agent. Reading is strict: all of it is good, or nothing is taken.
 */
import { type Json, isJsonObject } from "../base/json.ts";
import { InventoryError } from "./errors.ts";
import { InventoryState } from "./state.ts";
import { type KeyPrefix, classOf } from "./keys.ts";
import { type RecordTypes, type StoredRecord, modIndexOf } from "./record-types.ts";
import { errorMessage } from "../base/errors.ts";
import { newPackr } from "./codec.ts";
import { isKnownSchema, schemaVersion } from "./commands.ts";

const format = "muster-inventory";
export const snapshotChunkBytes = 256 * 1024;
/** Larger items cannot be made by commands, which are limited themselves. */
const maxItemBytes = 64 * 1024 * 1024;

export async function* encodeSnapshot(
  records: readonly StoredRecord[],
  index: number,
): AsyncGenerator<Uint8Array, void> {
  const packr = newPackr();
  let parts: Uint8Array[] = [];
  let size = 0;
  for (const item of snapshotItems(records, index)) {
    const bytes = packr.pack(item);
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(bytes.length);
    parts.push(length, bytes);
    size += length.length + bytes.length;
    if (size < snapshotChunkBytes) continue;
    const whole = Buffer.concat(parts);
    const end = whole.length - (whole.length % snapshotChunkBytes);
    for (let at = 0; at < end; at += snapshotChunkBytes) {
      yield whole.subarray(at, at + snapshotChunkBytes);
    }
    parts = [whole.subarray(end)];
    size = whole.length - end;
  }
  yield Buffer.concat(parts);
}

function* snapshotItems(records: readonly StoredRecord[], index: number): Generator<unknown> {
  yield { format, v: schemaVersion, index };
  for (const { key, modIndex, value } of records) yield [key, modIndex, value];
  yield { end: true, count: records.length };
}

/**
 * Reads a snapshot taken at `index` into a state of its own.
 * @throws InventoryError SCHEMA_TOO_NEW, SNAPSHOT_INVALID.
 */
export async function decodeSnapshot(
  bytes: AsyncIterable<Uint8Array>,
  index: number,
): Promise<InventoryState> {
  const packr = newPackr();
  const reader = new SnapshotReader(index);
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of bytes) {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= 4) {
      const length = rest.readUInt32BE(at);
      if (length > maxItemBytes) throw invalid(`an item has ${length} bytes`);
      if (rest.length - at - 4 < length) break;
      reader.take(unpack(packr, rest.subarray(at + 4, at + 4 + length)));
      at += 4 + length;
    }
    rest = rest.subarray(at);
  }
  if (rest.length > 0) throw invalid("it ends inside an item");
  return reader.finish();
}

function unpack(packr: ReturnType<typeof newPackr>, bytes: Uint8Array): Json {
  try {
    return packr.unpack(bytes) as Json;
  } catch (error) {
    throw invalid(`an item is not msgpack: ${errorMessage(error)}`);
  }
}

class SnapshotReader {
  readonly #state = new InventoryState();
  readonly #index: number;
  #part: "header" | "records" | "end" = "header";
  #count = 0;

  constructor(index: number) {
    this.#index = index;
  }

  take(item: Json): void {
    if (this.#part === "header") this.#takeHeader(item);
    else if (this.#part === "end") throw invalid("it goes on after its end");
    else if (isRecordItem(item)) this.#takeRecord(item);
    else this.#takeTrailer(item);
  }

  finish(): InventoryState {
    if (this.#part !== "end") throw invalid("it has no end");
    this.#state.appliedIndex = this.#index;
    return this.#state;
  }

  #takeHeader(item: Json): void {
    if (!isJsonObject(item) || item["format"] !== format) {
      throw invalid("it is no inventory snapshot");
    }
    const version = item["v"];
    if (typeof version === "number" && version > schemaVersion) {
      throw new InventoryError(
        "SCHEMA_TOO_NEW",
        `Snapshot has schema version ${version}, this agent knows ${schemaVersion}; upgrade it`,
        { version, known: schemaVersion },
      );
    }
    if (!isKnownSchema(version)) throw invalid("it has no schema version that ever was");
    if (item["index"] !== this.#index) {
      throw invalid(`it was taken at index ${String(item["index"])}, not at ${this.#index}`);
    }
    this.#part = "records";
  }

  #takeRecord([key, modIndex, value]: RecordItem): void {
    const slash = key.indexOf("/");
    const prefix = slash < 0 ? key : key.slice(0, slash);
    if (classOf(key) === null)
      throw invalid(`it has a record "${key.slice(0, 80)}" of no known kind`);
    const record = value as unknown as RecordTypes[KeyPrefix];
    if (modIndexOf(record) !== modIndex) throw invalid(`record "${key}" has another version`);
    put(this.#state, {
      prefix: prefix as KeyPrefix,
      id: slash < 0 ? "" : key.slice(slash + 1),
      record,
    });
    this.#count += 1;
  }

  #takeTrailer(item: Json): void {
    if (!isJsonObject(item) || item["end"] !== true) throw invalid("an item is no record");
    if (item["count"] !== this.#count) {
      throw invalid(`it has ${this.#count} records, not ${String(item["count"])}`);
    }
    this.#part = "end";
  }
}

type RecordItem = readonly [key: string, modIndex: number, value: Json];

function isRecordItem(item: Json): item is RecordItem {
  return (
    Array.isArray(item) &&
    item.length === 3 &&
    typeof item[0] === "string" &&
    typeof item[1] === "number" &&
    typeof item[2] === "object" &&
    item[2] !== null
  );
}

function put<P extends KeyPrefix>(
  state: InventoryState,
  {
    prefix,
    id,
    record,
  }: { readonly prefix: P; readonly id: string; readonly record: RecordTypes[P] },
): void {
  state.put(prefix, id, record);
}

function invalid(reason: string): InventoryError {
  return new InventoryError("SNAPSHOT_INVALID", `Cannot read the snapshot: ${reason}`);
}
