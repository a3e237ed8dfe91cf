/**
 * Appends output to the transcript's segments, at most `limitBytes` of it: the first half is kept, and of the
 * rest the newest half, by removing whole segments in between. Writing is synchronous: the command waits for
 * the disk, never for a reader. When the disk is full the output goes on being read, so that the command can
 * end, but nothing more is stored, and the failure is part of the result; readers pass over the torn record.
 */
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import { errorMessage } from "../../base/errors.ts";
import { syncDirectory } from "../durable-file.ts";
import { encodeRecord, headerBytes, segmentName } from "../transcript-format.ts";

const segmentsKept = 16;
const payloadBytes = 64 * 1024;

export class TranscriptWriter {
  readonly #directory: string;
  readonly #segmentBytes: number;
  /** Names of the segments after the first half, oldest first, the open one included. */
  readonly #newer: string[] = [];
  #older = 0;
  #descriptor: number | null = null;
  #written = 0;
  #offset = 0;
  #failure: string | null = null;

  constructor(directory: string, limitBytes: number) {
    this.#directory = directory;
    this.#segmentBytes = Math.max(4096, Math.floor(limitBytes / segmentsKept));
  }

  /** Why output is no longer stored; null while all is well. */
  get failure(): string | null {
    return this.#failure;
  }

  append(bytes: Uint8Array, time: number): void {
    const largest = Math.min(payloadBytes, this.#segmentBytes - headerBytes);
    for (let from = 0; from < bytes.length && this.#failure === null; from += largest) {
      this.#appendRecord(bytes.subarray(from, from + largest), time);
    }
  }

  /** Makes all that was stored durable. */
  close(): void {
    try {
      if (this.#descriptor !== null) this.#finishSegment(this.#descriptor);
      syncDirectory(this.#directory);
    } catch (error) {
      this.#failure ??= errorMessage(error);
    }
  }

  #appendRecord(bytes: Uint8Array, time: number): void {
    const record = encodeRecord({ offset: this.#offset, time, bytes });
    try {
      const descriptor = this.#segmentFor(record.length);
      for (let at = 0; at < record.length; ) at += writeSync(descriptor, record, at);
      this.#written += record.length;
      this.#offset += bytes.length;
    } catch (error) {
      this.#failure = errorMessage(error);
    }
  }

  #segmentFor(bytes: number): number {
    if (this.#descriptor !== null) {
      if (this.#written + bytes <= this.#segmentBytes) return this.#descriptor;
      this.#finishSegment(this.#descriptor);
    }
    const name = segmentName(this.#offset);
    this.#descriptor = openSync(path.join(this.#directory, name), "ax", 0o600);
    this.#written = 0;
    if (this.#older < segmentsKept / 2) this.#older += 1;
    else this.#newer.push(name);
    const dropped = this.#newer.length > segmentsKept / 2 ? this.#newer.shift() : undefined;
    if (dropped !== undefined) rmSync(path.join(this.#directory, dropped));
    return this.#descriptor;
  }

  #finishSegment(descriptor: number): void {
    this.#descriptor = null;
    try {
      fdatasyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }
}
