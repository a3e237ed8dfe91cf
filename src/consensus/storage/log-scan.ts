/**
 * Reads every retained frame at open and checks CRC, contiguity, chain and terms. Stops at the first fault: what
 * comes before it is a valid prefix, what comes after it cannot be trusted to be the same history.
 */
import { errorMessage } from "../../base/errors.ts";
import { type Entry } from "../core/types.ts";
import { chainHolds, decodeFrame, type Frame } from "./frame.ts";
import { LogIndex } from "./log-index.ts";
import { type LogDatabase } from "./log-database.ts";
import { frameKey, framesEnd, type LogBase } from "./log-records.ts";

export interface Scan {
  readonly index: LogIndex;
  /** Newest entries, at most `maxTailBytes` of data (at least one frame). */
  readonly tail: readonly Entry[];
  readonly fault: string | null;
}

export async function scanFrames(
  db: LogDatabase,
  base: LogBase,
  maxTailBytes: number,
): Promise<Scan> {
  const index = new LogIndex(base);
  const tail = new TailWindow(maxTailBytes);
  const range = { gte: frameKey(base.anchor.index + 1), lt: framesEnd };
  try {
    for await (const [, bytes] of db.entries(range)) {
      const frame = decodeFrame(bytes);
      const fault = frame === null ? "is damaged" : faultOf(frame, index);
      if (frame === null || fault !== null) {
        return done(index, tail, `the frame behind entry ${index.last} ${fault ?? "is damaged"}`);
      }
      const last = frame.first + frame.entries.length - 1;
      const info = { first: frame.first, last, byteLength: bytes.byteLength, chain: frame.chain };
      index.append(info, frame.entries);
      tail.push(frame.entries, bytes.byteLength);
    }
    return done(index, tail, null);
  } catch (error) {
    const why = errorMessage(error);
    return done(index, tail, `the frame behind entry ${index.last} cannot be read: ${why}`);
  }
}

function faultOf(frame: Frame, index: LogIndex): string | null {
  const expected = index.last + 1;
  if (frame.first !== expected) return `is missing: the next one begins at ${frame.first}`;
  if (frame.chainBefore !== index.chain) return "does not continue the hash chain";
  if (!chainHolds(frame)) return "does not match its hash chain";
  let term = index.lastTerm;
  for (const entry of frame.entries) {
    if (entry.term < term) return `has a falling term at entry ${entry.index}`;
    term = entry.term;
  }
  return null;
}

function done(index: LogIndex, tail: TailWindow, fault: string | null): Scan {
  const entries = tail.entries().filter((entry) => entry.index >= index.first);
  return { index, tail: entries, fault };
}

/** The newest frames' entries below a byte limit. */
class TailWindow {
  readonly #maxBytes: number;
  #frames: { readonly entries: readonly Entry[]; readonly byteLength: number }[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(entries: readonly Entry[], byteLength: number): void {
    this.#frames.push({ entries, byteLength });
    this.#bytes += byteLength;
    while (this.#bytes > this.#maxBytes && this.#frames.length > 1) {
      this.#bytes -= this.#frames.shift()?.byteLength ?? 0;
    }
  }

  entries(): readonly Entry[] {
    return this.#frames.flatMap((frame) => frame.entries);
  }
}
