/** Reads snapshot files back: their description, and their payload from an offset on. */
import { createHash } from "node:crypto";
import { type SnapshotMeta } from "../core/types.ts";
import { type Files, type OpenFile } from "./files.ts";
import {
  decodeHeader,
  decodeTrailer,
  headerLength,
  metaFor,
  prefixBytes,
  trailerBytes,
} from "./snapshot-format.ts";

const chunkBytes = 256 * 1024;

interface Described {
  readonly meta: SnapshotMeta;
  readonly payloadAt: number;
}

/** The description of a complete file whose payload has the SHA-256 it claims; null otherwise. */
export async function verifySnapshot(files: Files, file: string): Promise<SnapshotMeta | null> {
  const handle = await files.open(file, "r");
  try {
    const described = await describe(handle);
    if (described === null) return null;
    const hash = createHash("sha256");
    for await (const chunk of payload(handle, described, 0)) hash.update(chunk);
    return hash.digest("hex") === described.meta.sha256 ? described.meta : null;
  } finally {
    await handle.close();
  }
}

/** What a complete file says it is, its payload unread; null when it is not complete. */
export async function describeSnapshot(files: Files, file: string): Promise<SnapshotMeta | null> {
  const handle = await files.open(file, "r");
  try {
    return (await describe(handle))?.meta ?? null;
  } finally {
    await handle.close();
  }
}

/** The payload from `offset` on, in chunks; nothing when the file is not a complete snapshot. */
export async function* readSnapshot(
  files: Files,
  file: string,
  offset: number,
): AsyncGenerator<Uint8Array> {
  const handle = await files.open(file, "r");
  try {
    const described = await describe(handle);
    if (described !== null) yield* payload(handle, described, offset);
  } finally {
    await handle.close();
  }
}

async function describe(handle: OpenFile): Promise<Described | null> {
  const { size } = await handle.stat();
  const prefix = await readExactly(handle, 0, prefixBytes);
  const length = prefix === null ? null : headerLength(prefix);
  if (length === null) return null;
  const payloadAt = prefixBytes + length;
  const header = await readExactly(handle, prefixBytes, length);
  const trailer = await readExactly(handle, size - trailerBytes, trailerBytes);
  const position = header === null ? null : decodeHeader(header);
  const end = trailer === null ? null : decodeTrailer(trailer);
  if (position === null || end === null) return null;
  if (payloadAt + end.payloadBytes + trailerBytes !== size) return null;
  return { meta: metaFor(position, end), payloadAt };
}

async function* payload(
  handle: OpenFile,
  { meta, payloadAt }: Described,
  offset: number,
): AsyncGenerator<Uint8Array> {
  for (let at = offset; at < meta.sizeBytes; ) {
    const length = Math.min(chunkBytes, meta.sizeBytes - at);
    const chunk = await readExactly(handle, payloadAt + at, length);
    if (chunk === null) return;
    yield chunk;
    at += length;
  }
}

async function readExactly(
  handle: OpenFile,
  position: number,
  length: number,
): Promise<Buffer | null> {
  if (position < 0) return null;
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) return null;
    done += bytesRead;
  }
  return bytes;
}
