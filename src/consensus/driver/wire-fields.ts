/**
 * Reads one decoded message row field by field, checking type, range and length of each. A bad field turns
 * `ok` false and yields a harmless value, so that a decoder reads straight through and asks once at the end.
 */
import { type Configuration, type Entry, type Index, type NodeId } from "../core/types.ts";
import { entryHeaderBytes, readBody } from "../storage/entry-body.ts";

const maxIdLength = 128;
const maxIdsPerList = 16_384;
const maxSets = 2;

/** The entry bodies behind the header, handed out in order. */
export class Bodies {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get exhausted(): boolean {
    return this.#at === this.#bytes.byteLength;
  }

  /** The next body, copied: entries that live on must not pin the whole frame. */
  take(byteLength: number): Buffer | null {
    const end = this.#at + byteLength;
    if (end > this.#bytes.byteLength) return null;
    const body = Buffer.from(this.#bytes.subarray(this.#at, end));
    this.#at = end;
    return body;
  }
}

export class Fields {
  ok: boolean;
  readonly #row: readonly unknown[];
  readonly #bodies: Bodies;
  #next = 0;

  constructor(row: unknown, bodies: Bodies) {
    this.ok = Array.isArray(row);
    this.#row = Array.isArray(row) ? row : [];
    this.#bodies = bodies;
  }

  /** True when every field was good and none is left over. */
  get done(): boolean {
    return this.ok && this.#next === this.#row.length;
  }

  integer(): number {
    const value = this.#take();
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    return this.#bad(0);
  }

  boolean(): boolean {
    const value = this.#take();
    return typeof value === "boolean" ? value : this.#bad(false);
  }

  id(): NodeId {
    const value = this.#take();
    return isId(value) ? value : this.#bad("");
  }

  /** A SHA-256 as 64 hexadecimal digits. */
  digest(): string {
    const value = this.#take();
    return typeof value === "string" && /^[0-9a-f]{64}$/.test(value) ? value : this.#bad("");
  }

  /** 128 bits as 32 hexadecimal digits: a hash chain, or the id of a generation. */
  hex128(): string {
    const value = this.#take();
    return typeof value === "string" && /^[0-9a-f]{32}$/.test(value) ? value : this.#bad("");
  }

  ids(): readonly NodeId[] {
    const value = this.#take();
    return isIdList(value) ? value : this.#bad([]);
  }

  sets(): Configuration["sets"] {
    const value = this.#take();
    const good = Array.isArray(value) && value.length <= maxSets && value.every(isIdList);
    return good ? value : this.#bad([]);
  }

  /** The entries behind `previous`, whose count and byte length are the next two fields. */
  entriesAfter(previous: Index): readonly Entry[] {
    const count = this.integer();
    const byteLength = this.integer();
    if (!this.ok || count * entryHeaderBytes > byteLength) return this.#bad([]);
    const body = this.#bodies.take(byteLength);
    const entries = body === null ? null : readBody(body, previous + 1, count);
    return entries ?? this.#bad([]);
  }

  #take(): unknown {
    const value = this.#row[this.#next];
    this.#next += 1;
    return value;
  }

  #bad<T>(harmless: T): T {
    this.ok = false;
    return harmless;
  }
}

function isId(value: unknown): value is NodeId {
  return typeof value === "string" && value.length > 0 && value.length <= maxIdLength;
}

function isIdList(value: unknown): value is readonly NodeId[] {
  return Array.isArray(value) && value.length <= maxIdsPerList && value.every(isId);
}
