/**
 * Cuts what comes over an encrypted connection into Noise's messages: u16 length, then that many bytes. The library's
 * own decoder learns that a chunk is used up from an exception, with a stack trace, for every chunk that comes in.
 */
import { type MessageStream } from "@libp2p/interface";

interface Bytes {
  subarray(): Uint8Array;
}

interface Decoder {
  /** What waits for its rest. */
  readonly buffer: { readonly byteLength: number };
  decode(chunk: Bytes): Iterable<Uint8Array>;
}

const prefixBytes = 2;

export class NoiseFrames implements Decoder {
  buffer: Uint8Array = new Uint8Array(0);

  *decode(chunk: Bytes): Generator<Uint8Array, void, undefined> {
    const bytes = chunk.subarray();
    const all = this.buffer.byteLength === 0 ? bytes : Buffer.concat([this.buffer, bytes]);
    this.buffer = new Uint8Array(0);
    let at = 0;
    while (all.byteLength - at >= prefixBytes) {
      const begin = at + prefixBytes;
      const end = begin + (all[at] ?? 0) * 256 + (all[at + 1] ?? 0);
      if (end > all.byteLength) break;
      at = end;
      if (end > begin) yield all.subarray(begin, end);
    }
    this.buffer = all.subarray(at);
  }
}

/** Gives a connection that was just secured this decoder; one of another library stays as it is. */
export function decodeWithoutExceptions(connection: MessageStream): void {
  if (hasDecoder(connection) && connection.decoder.buffer.byteLength === 0) {
    connection.decoder = new NoiseFrames();
  }
}

function hasDecoder(connection: object): connection is { decoder: Decoder } {
  const decoder: unknown = "decoder" in connection ? connection.decoder : null;
  return typeof decoder === "object" && decoder !== null && "decode" in decoder;
}
