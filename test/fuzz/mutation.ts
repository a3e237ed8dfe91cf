/** Bytes that an attacker, a bug or a bad link would send: made of valid ones and of chance. */
import { type Random } from "../../src/base/random.ts";

/** Valid inputs seen so far, to be sent again later and to be crossed with others. */
export class Corpus {
  readonly #random: Random;
  readonly #inputs: Uint8Array[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** An input derived from `valid`, which is remembered. */
  next(valid: Uint8Array): Uint8Array {
    const random = this.#random;
    this.#inputs[random.below(256)] = valid;
    switch (random.below(8)) {
      case 0:
        return valid;
      case 1:
        return this.#earlier(valid);
      case 2:
        return noise(random, random.below(200));
      case 3:
        return valid.slice(0, random.below(valid.length + 1));
      case 4:
        return spliced(random, valid, this.#earlier(valid));
      case 5:
        return Uint8Array.from([...valid.subarray(0, 1400), ...noise(random, random.below(40))]);
      default:
        return damaged(random, valid);
    }
  }

  /** Replays, and with them another order. */
  #earlier(fallback: Uint8Array): Uint8Array {
    return this.#inputs[this.#random.below(this.#inputs.length)] ?? fallback;
  }
}

function noise(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 1) bytes[at] = random.below(256);
  return bytes;
}

/** A few bytes changed: flipped bits, extreme values, counts and lengths among them. */
function damaged(random: Random, valid: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(valid);
  if (bytes.length === 0) return bytes;
  for (let left = 1 + random.below(4); left > 0; left -= 1) {
    const at = random.below(random.below(2) === 0 ? Math.min(bytes.length, 24) : bytes.length);
    const choices = [(bytes[at] ?? 0) ^ (1 << random.below(8)), 0, 255, 127, random.below(256)];
    bytes[at] = choices[random.below(choices.length)] ?? 0;
  }
  return bytes;
}

function spliced(random: Random, a: Uint8Array, b: Uint8Array): Uint8Array {
  const head = a.subarray(0, random.below(a.length + 1));
  const tail = b.subarray(random.below(b.length + 1));
  const bytes = new Uint8Array(head.length + tail.length);
  bytes.set(head);
  bytes.set(tail, head.length);
  return bytes;
}
