/**
 * Names ↔ dense indices. A member's key is 8 bytes of a hash of its peer id: what the wire carries, and what
 * places the member on the rings. An index is never given to another member, so that no late message can mean
 * the wrong one. One Directory can serve all the cores of a simulation.
 */
import { assert } from "../../base/assert.ts";
import { type PeerId } from "../../base/ids.ts";
import { RingOrder } from "./ring-order.ts";
import { type Ix } from "./types.ts";

export interface DirectoryOptions {
  readonly capacity: number;
  readonly rings: number;
}

export class Directory {
  readonly #capacity: number;
  readonly #rings: readonly RingOrder[];
  readonly #keyOf: (id: PeerId) => Uint8Array;
  readonly #byId = new Map<PeerId, Ix>();
  readonly #byKey = new Map<string, Ix>();
  readonly #ids: PeerId[] = [];
  #keys = new Uint32Array(0);
  #positions = new Uint32Array(0);

  constructor(options: DirectoryOptions, keyOf: (id: PeerId) => Uint8Array) {
    this.#capacity = options.capacity;
    this.#rings = Array.from({ length: options.rings }, () => new RingOrder());
    this.#keyOf = keyOf;
  }

  /** Indices in use are below this. */
  get size(): number {
    return this.#ids.length;
  }

  find(id: PeerId): Ix {
    return this.#byId.get(id) ?? -1;
  }

  findKey(key: string): Ix {
    return this.#byKey.get(key) ?? -1;
  }

  /** The index of `id`, new if need be; -1 when the directory is full or another id has the same key. */
  intern(id: PeerId): Ix {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    const bytes = this.#keyOf(id);
    assert(bytes.length >= 8, "a member key has 8 bytes");
    const key = keyText(bytes, 0);
    if (this.#byKey.has(key) || this.#byId.size >= this.#capacity) return -1;
    const ix = this.#ids.length;
    this.#reserve(ix + 1);
    this.#ids.push(id);
    this.#byId.set(id, ix);
    this.#byKey.set(key, ix);
    this.#place(ix, bytes);
    return ix;
  }

  id(ix: Ix): PeerId {
    const id = this.#ids[ix];
    assert(id !== undefined, "an index in use names a member");
    return id;
  }

  key(ix: Ix): string {
    return hex32(this.keyHigh(ix)) + hex32(this.keyLow(ix));
  }

  keyHigh(ix: Ix): number {
    return this.#keys[2 * ix] ?? 0;
  }

  keyLow(ix: Ix): number {
    return this.#keys[2 * ix + 1] ?? 0;
  }

  /** Place of the member on a ring of 2³² points. */
  position(ring: number, ix: Ix): number {
    return this.#positions[ix * this.#rings.length + ring] ?? 0;
  }

  ring(ring: number): RingOrder {
    const order = this.#rings[ring];
    assert(order !== undefined, "a ring has a number below their count");
    return order;
  }

  #place(ix: Ix, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
    const high = view.getUint32(0);
    const low = view.getUint32(4);
    this.#keys[2 * ix] = high;
    this.#keys[2 * ix + 1] = low;
    for (const [ring, order] of this.#rings.entries()) {
      const place = mix32(high ^ mix32(low ^ mix32(ring + 1)));
      this.#positions[ix * this.#rings.length + ring] = place;
      order.add(ix, place);
    }
  }

  #reserve(count: number): void {
    if (2 * count <= this.#keys.length) return;
    const room = Math.min(this.#capacity, Math.max(64, 2 * count));
    const keys = new Uint32Array(2 * room);
    keys.set(this.#keys);
    this.#keys = keys;
    const positions = new Uint32Array(this.#rings.length * room);
    positions.set(this.#positions);
    this.#positions = positions;
  }
}

/** Finalizer of MurmurHash3: spreads each input bit over all output bits. */
export function mix32(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** 8 bytes of a key as 16 hexadecimal digits. */
export function keyText(bytes: Uint8Array, offset: number): string {
  let text = "";
  for (let i = offset; i < offset + 8; i += 1) {
    text += (bytes[i] ?? 0).toString(16).padStart(2, "0");
  }
  return text;
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, "0");
}
