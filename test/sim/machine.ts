/** The simplest deterministic state machine: a rolling hash over all commands, with the index it stands for. */
import { type Entry, type Index } from "../../src/consensus/core/types.ts";

export interface MachineState {
  readonly index: Index;
  readonly hash: number;
}

export class HashMachine {
  #state: MachineState;

  constructor(state: MachineState = { index: 0, hash: 0 }) {
    this.#state = state;
  }

  get state(): MachineState {
    return this.#state;
  }

  apply(entry: Entry): void {
    if (entry.index !== this.#state.index + 1) {
      throw new Error(`machine: entry ${entry.index} does not follow ${this.#state.index}`);
    }
    let hash = Math.imul(this.#state.hash ^ entry.term, 0x01000193);
    for (const byte of entry.data) hash = Math.imul(hash ^ byte, 0x01000193);
    this.#state = { index: entry.index, hash: hash >>> 0 };
  }
}
