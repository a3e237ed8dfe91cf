/**
 * The unit of the log on disk: a run of entries under one CRC-32, tied to the run before it by a hash chain.
 * chain(i) = first 128 bits of SHA-256(chain(i - 1) | entry i), so it does not depend on how entries were
 * grouped, and two logs with equal chain at equal index hold the same entries up to there.
 *
 * u16 magic | u8 version | u8 0 | u32 crc of the rest | u48 first | u32 count | chain before | chain | body
 */
import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { type Entry, type Index } from "../core/types.ts";
import { bodyBytes, entryHeaderBytes, readBody, writeBody } from "./entry-body.ts";

/** 128 bits, hexadecimal. */
export type Chain = string;

const magic = 0x4d46;
const version = 2;
const chainBytes = 16;
const crcAt = 4;
const firstAt = 8;
const countAt = 14;
const beforeAt = 18;
const chainAt = beforeAt + chainBytes;
const bodyAt = chainAt + chainBytes;

export interface Frame {
  readonly first: Index;
  readonly entries: readonly Entry[];
  readonly chainBefore: Chain;
  readonly chain: Chain;
}

/** The chain before the first entry of every log. */
export const chainOrigin: Chain = hash("sha256", "muster log", "hex").slice(0, chainBytes * 2);

/** Encodes a not empty run of contiguous entries. */
export function encodeFrame(
  entries: readonly Entry[],
  chainBefore: Chain,
): { readonly bytes: Buffer; readonly chain: Chain } {
  const bytes = Buffer.allocUnsafe(bodyAt + bodyBytes(entries));
  writeBody(bytes, bodyAt, entries);
  const chain = extendChain(chainBefore, bytes.subarray(bodyAt), entries);
  bytes.writeUInt16BE(magic, 0);
  bytes.writeUInt8(version, 2);
  bytes.writeUInt8(0, 3);
  bytes.writeUIntBE(entries[0]?.index ?? 0, firstAt, 6);
  bytes.writeUInt32BE(entries.length, countAt);
  bytes.write(chainBefore, beforeAt, "hex");
  bytes.write(chain, chainAt, "hex");
  bytes.writeUInt32BE(crc32(bytes.subarray(firstAt)), crcAt);
  return { bytes, chain };
}

/** The frame, or null when its bytes are damaged. Data of entries are views of `bytes`. */
export function decodeFrame(bytes: Buffer): Frame | null {
  if (bytes.byteLength < bodyAt || bytes.readUInt16BE(0) !== magic) return null;
  if (bytes.readUInt8(2) !== version) return null;
  if (crc32(bytes.subarray(firstAt)) !== bytes.readUInt32BE(crcAt)) return null;
  const first = bytes.readUIntBE(firstAt, 6);
  const entries = readBody(bytes.subarray(bodyAt), first, bytes.readUInt32BE(countAt));
  if (entries === null || entries.length === 0) return null;
  const chainBefore = bytes.toString("hex", beforeAt, chainAt);
  const chain = bytes.toString("hex", chainAt, bodyAt);
  return { first, entries, chainBefore, chain };
}

/** The chain behind `entries`, which follow one whose chain is `before`. */
export function chainBehind(before: Chain, entries: readonly Entry[]): Chain {
  const body = Buffer.allocUnsafe(bodyBytes(entries));
  writeBody(body, 0, entries);
  return extendChain(before, body, entries);
}

/** True when the frame's chain follows from its entries: what a CRC cannot tell about a swapped frame. */
export function chainHolds(frame: Frame): boolean {
  return chainBehind(frame.chainBefore, frame.entries) === frame.chain;
}

function extendChain(before: Chain, body: Buffer, entries: readonly Entry[]): Chain {
  let longest = 0;
  for (const { data } of entries) if (data.byteLength > longest) longest = data.byteLength;
  const scratch = Buffer.allocUnsafe(chainBytes + entryHeaderBytes + longest);
  let chain = before;
  let at = 0;
  for (const { data } of entries) {
    const end = at + entryHeaderBytes + data.byteLength;
    scratch.write(chain, 0, "hex");
    body.copy(scratch, chainBytes, at, end);
    chain = hash("sha256", scratch.subarray(0, chainBytes + end - at), "hex").slice(
      0,
      chainBytes * 2,
    );
    at = end;
  }
  return chain;
}
