/**
 * The record of each member, in blocks. Lists that began as copies of one share each block until one of them changes
 * it: ten thousand agents that start with the same view would hold 10⁸ references, which the collector of garbage
 * visits again and again.
 */
import { type Ix, type SignedRecord } from "./types.ts";

const blockBits = 6;
const blockSize = 1 << blockBits;

interface Block {
  /** Of the only list that may change it. */
  readonly owner: object;
  readonly records: (SignedRecord | undefined)[];
}

export class RecordList {
  #blocks: (Block | undefined)[] = [];
  /** What marks blocks as its own; another one once they are shared. */
  #mark: object = {};

  get(ix: Ix): SignedRecord | undefined {
    return this.#blocks[ix >> blockBits]?.records[ix & (blockSize - 1)];
  }

  set(ix: Ix, record: SignedRecord | undefined): void {
    this.#own(ix >> blockBits)[ix & (blockSize - 1)] = record;
  }

  /** Takes over what another list has. From now on each of them changes copies. */
  adopt(other: RecordList): void {
    other.#mark = {};
    this.#blocks = other.#blocks.slice();
  }

  #own(at: number): (SignedRecord | undefined)[] {
    const block = this.#blocks[at];
    if (block?.owner === this.#mark) return block.records;
    const records =
      block?.records.slice() ?? new Array<SignedRecord | undefined>(blockSize).fill(undefined);
    while (this.#blocks.length < at) this.#blocks.push(undefined);
    this.#blocks[at] = { owner: this.#mark, records };
    return records;
  }
}
