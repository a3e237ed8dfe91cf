/**
 * Finds many byte patterns in one pass (Aho, Corasick 1975). States are numbers and their data flat arrays, 21
 * bytes a state, as a secret may be a whole key file and the shim is to stay small. State 0 is the root.
 */
import { must } from "../../base/assert.ts";

export class ByteAutomaton {
  /** Children of the root by byte; 0 where there is none. */
  readonly #root = new Int32Array(256);
  readonly #firstChild: Int32Array;
  readonly #sibling: Int32Array;
  readonly #byte: Uint8Array;
  readonly #fail: Int32Array;
  readonly #depth: Int32Array;
  /** Length of the longest pattern that ends in a state, through failure links too; 0 when none does. */
  readonly #matched: Int32Array;
  #states = 1;

  constructor(patterns: readonly Uint8Array[]) {
    const most = patterns.reduce((sum, pattern) => sum + pattern.length, 1);
    this.#firstChild = new Int32Array(most);
    this.#sibling = new Int32Array(most);
    this.#byte = new Uint8Array(most);
    this.#fail = new Int32Array(most);
    this.#depth = new Int32Array(most);
    this.#matched = new Int32Array(most);
    for (const pattern of patterns) this.#add(pattern);
    this.#linkFailures();
  }

  /** True when a pattern begins with this byte. */
  begins(byte: number): boolean {
    return this.#root[byte] !== 0;
  }

  step(from: number, byte: number): number {
    for (let state = from; state !== 0; state = at(this.#fail, state)) {
      const child = this.#child(state, byte);
      if (child !== 0) return child;
    }
    return at(this.#root, byte);
  }

  /** How many of the last bytes are the beginning of a pattern. */
  depth(state: number): number {
    return at(this.#depth, state);
  }

  /** How many of the last bytes are a whole pattern. */
  matched(state: number): number {
    return at(this.#matched, state);
  }

  #add(pattern: Uint8Array): void {
    let state = 0;
    for (const byte of pattern) state = this.#child(state, byte) || this.#newChild(state, byte);
    this.#matched[state] = this.depth(state);
  }

  #child(state: number, byte: number): number {
    if (state === 0) return at(this.#root, byte);
    let child = at(this.#firstChild, state);
    while (child !== 0 && this.#byte[child] !== byte) child = at(this.#sibling, child);
    return child;
  }

  #newChild(parent: number, byte: number): number {
    const child = this.#states;
    this.#states += 1;
    this.#byte[child] = byte;
    this.#depth[child] = this.depth(parent) + 1;
    this.#sibling[child] = at(this.#firstChild, parent);
    this.#firstChild[parent] = child;
    if (parent === 0) this.#root[byte] = child;
    return child;
  }

  /** Breadth first, so that a state's failure state is finished before it. */
  #linkFailures(): void {
    const queue = new Int32Array(this.#states);
    let length = 1;
    for (let next = 0; next < length; next += 1) {
      const state = at(queue, next);
      for (let child = at(this.#firstChild, state); child !== 0; child = at(this.#sibling, child)) {
        const fail = state === 0 ? 0 : this.step(at(this.#fail, state), at(this.#byte, child));
        this.#fail[child] = fail;
        this.#matched[child] = Math.max(this.matched(child), this.matched(fail));
        queue[length] = child;
        length += 1;
      }
    }
  }
}

function at(array: Int32Array | Uint8Array, index: number): number {
  return must(array[index], "states and bytes stay within their arrays");
}
