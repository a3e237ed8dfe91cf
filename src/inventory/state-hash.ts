/**
 * SHA-256 of the whole state: equal on all agents at equal index. Each record's digest is remembered with the
 * (immutable) record, so that a hash costs the records that changed since the last one.
 */
import { createHash } from "node:crypto";
import { canonicalJson } from "../base/json.ts";
import { type RecordValue } from "./record-types.ts";
import { type InventoryState } from "./state.ts";

export class StateHasher {
  readonly #digests = new WeakMap<RecordValue, Uint8Array>();

  /** Hex. Covers every record with its key and modIndex, in a fixed order. */
  hash(state: InventoryState): string {
    const hash = createHash("sha256");
    for (const { key, modIndex, value } of state.image()) {
      hash.update(`${key}\n${modIndex}\n`).update(this.#digest(value));
    }
    return hash.digest("hex");
  }

  #digest(value: RecordValue): Uint8Array {
    let digest = this.#digests.get(value);
    if (digest === undefined) {
      digest = createHash("sha256").update(canonicalJson(value)).digest();
      this.#digests.set(value, digest);
    }
    return digest;
  }
}
