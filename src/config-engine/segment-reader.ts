/**
 * Reads records of a transcript folder from any stream offset. A position once reached is remembered, so that a
 * follower goes on where it was instead of scanning; a forgotten one costs a scan of one segment.
 */
import { type FileHandle, open, readdir } from "node:fs/promises";
import path from "node:path";
import { errorCode } from "../base/errors.ts";
import { engineError } from "./errors.ts";
import { type TranscriptChunk } from "./ports.ts";
import {
  decodeRecord,
  headerBytes,
  recordBytesLimit,
  segmentName,
  segmentOffset,
  type TranscriptRecord,
} from "./transcript-format.ts";

export interface SegmentPart {
  readonly chunks: readonly TranscriptChunk[];
  readonly nextOffset: number;
}

interface Position {
  /** Stream offset that names the segment, and the byte in it where a record begins. */
  readonly segment: number;
  readonly byte: number;
}

const remembered = 1000;

/** Collects chunks up to a limit of bytes. */
class Collector {
  readonly chunks: TranscriptChunk[] = [];
  offset: number;
  readonly #limit: number;
  #bytes = 0;

  constructor(offset: number, limit: number) {
    this.offset = offset;
    this.#limit = limit;
  }

  get full(): boolean {
    return this.#bytes >= this.#limit;
  }

  /** Takes what of the record is at or after the offset; false when there was no room for all of it. */
  take(record: TranscriptRecord): boolean {
    const end = record.offset + record.bytes.length;
    if (end <= this.offset) return true;
    const from = Math.max(0, this.offset - record.offset);
    const room = this.#limit - this.#bytes;
    if (this.chunks.length > 0 && record.bytes.length - from > room) return false;
    const bytes = Uint8Array.from(record.bytes.subarray(from, from + room));
    this.chunks.push({ offset: record.offset + from, time: record.time, bytes });
    this.#bytes += bytes.length;
    this.offset = record.offset + from + bytes.length;
    return this.offset === end;
  }
}

export class SegmentReader {
  readonly #positions = new Map<string, Position>();

  /** What is stored from `offset` on, at most `maxBytes` (and at least one record, or a part of it). */
  async read(directory: string, offset: number, maxBytes: number): Promise<SegmentPart> {
    const collector = new Collector(offset, maxBytes);
    const segments = await listSegments(directory);
    let index = Math.max(
      0,
      segments.findLastIndex((start) => start <= offset),
    );
    for (; index < segments.length && !collector.full; index += 1) {
      const segment = segments[index] ?? 0;
      if (segment > collector.offset) markGap(collector, segment);
      const position = this.#known(directory, collector.offset, segment);
      const stopped = await this.#readSegment(directory, position, collector);
      if (stopped === "removed") return await this.read(directory, offset, maxBytes);
      if (stopped === "full") break;
    }
    return { chunks: collector.chunks, nextOffset: collector.offset };
  }

  #known(directory: string, offset: number, segment: number): Position {
    const position = this.#positions.get(`${directory}:${offset}`);
    return position?.segment === segment ? position : { segment, byte: 0 };
  }

  async #readSegment(
    directory: string,
    from: Position,
    collector: Collector,
  ): Promise<"end" | "full" | "removed"> {
    let file: FileHandle;
    try {
      file = await open(path.join(directory, segmentName(from.segment)), "r");
    } catch (error) {
      if (errorCode(error) === "ENOENT") return "removed"; // Dropped since we looked, to keep the limit.
      throw error;
    }
    try {
      return await this.#decodeFile(file, directory, from, collector);
    } finally {
      await file.close();
    }
  }

  async #decodeFile(
    file: FileHandle,
    directory: string,
    from: Position,
    collector: Collector,
  ): Promise<"end" | "full"> {
    for (let byte = from.byte; ; ) {
      const window = await readWindow(file, byte);
      let at = 0;
      for (;;) {
        const decoded = decodeRecord(window, at);
        if (decoded.kind === "damaged") {
          if (collector.chunks.length > 0 || isZero(window, at)) return "end";
          throw damaged(directory, from.segment, byte + at);
        }
        if (decoded.kind === "torn") break;
        const whole = collector.take(decoded.record);
        if (!whole) {
          if (collector.offset < decoded.record.offset) collector.offset = decoded.record.offset;
          this.#remember(directory, collector.offset, { segment: from.segment, byte: byte + at });
          return "full";
        }
        at = decoded.next;
      }
      this.#remember(directory, collector.offset, { segment: from.segment, byte: byte + at });
      if (at === 0 || window.length < windowBytes) return "end";
      byte += at;
    }
  }

  #remember(directory: string, offset: number, position: Position): void {
    const key = `${directory}:${offset}`;
    this.#positions.delete(key);
    this.#positions.set(key, position);
    for (const oldest of this.#positions.keys()) {
      if (this.#positions.size <= remembered) break;
      this.#positions.delete(oldest);
    }
  }
}

/** Holds at least one whole record. */
const windowBytes = recordBytesLimit + headerBytes;

async function readWindow(file: FileHandle, position: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(windowBytes);
  let length = 0;
  while (length < windowBytes) {
    const { bytesRead } = await file.read(buffer, length, windowBytes - length, position + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

async function listSegments(directory: string): Promise<number[]> {
  const names = await readdir(directory);
  return names
    .map(segmentOffset)
    .filter((offset) => offset !== null)
    .sort((a, b) => a - b);
}

/** Stands for segments that were dropped. Its offset is where they began; what follows is where they ended. */
function markGap(collector: Collector, to: number): void {
  const text = `\r\n[muster: ${to - collector.offset} bytes of output are not kept here]\r\n`;
  const last = collector.chunks.at(-1);
  collector.chunks.push({
    offset: collector.offset,
    time: last?.time ?? 0,
    bytes: new Uint8Array(Buffer.from(text)),
  });
  collector.offset = to;
}

/** A file system may leave zeros after a power cut where a record was being written. */
function isZero(window: Buffer, from: number): boolean {
  return window.subarray(from).every((byte) => byte === 0);
}

function damaged(directory: string, segment: number, byte: number): Error {
  const file = path.join(directory, segmentName(segment));
  return engineError(
    "TRANSCRIPT_DAMAGED",
    `Reading the transcript failed: "${file}" is damaged at byte ${byte}; another holder may have it whole`,
    { file, offset: byte },
  );
}
