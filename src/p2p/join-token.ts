/**
 * The line an operator pastes on a new node: `mst1.` and base64url of
 *   cluster id 16 | secret 32 | expiry 6 (ms since epoch, 0 = never) | token id | CRC-32 4.
 * Who holds it may join; the cluster stores only SHA-256 of the secret, the verifier, which is the key of both
 * sides' proofs. The checksum catches a line that was cut while pasting before anything is sent.
 */
import { createHash, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { AgentError } from "../base/errors.ts";
import { P2pCode } from "./errors.ts";

export interface JoinToken {
  /** 32 hexadecimal digits. */
  readonly clusterId: string;
  readonly tokenId: string;
  /** SHA-256 of the secret, hex. */
  readonly verifier: string;
  /** Milliseconds since the epoch, or null. For display: the cluster decides by its own clock. */
  readonly expiresAt: number | null;
}

const prefix = "mst1.";
const secretBytes = 32;
const headBytes = 16 + secretBytes + 6;
const idPattern = /^[0-9a-zA-Z_-]{1,64}$/;

/** Makes a token with a new secret. `verifier` is what the inventory stores. */
export function makeJoinToken(options: {
  readonly clusterId: string;
  readonly tokenId: string;
  readonly expiresAt: number | null;
}): { readonly token: string; readonly verifier: string } {
  const cluster = Buffer.from(options.clusterId, "hex");
  if (cluster.byteLength !== 16 || !idPattern.test(options.tokenId)) {
    const text = `No token can be made for cluster "${options.clusterId}", id "${options.tokenId}".`;
    throw new AgentError(P2pCode.tokenMalformed, text);
  }
  const secret = randomBytes(secretBytes);
  const expiry = Buffer.alloc(6);
  expiry.writeUIntBE(options.expiresAt ?? 0, 0, 6);
  const body = Buffer.concat([cluster, secret, expiry, Buffer.from(options.tokenId, "latin1")]);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  const token = prefix + Buffer.concat([body, sum]).toString("base64url");
  return { token, verifier: verifierOf(secret) };
}

/** @throws AgentError TOKEN_MALFORMED; its text never quotes the token */
export function parseJoinToken(text: string): JoinToken {
  const trimmed = text.trim();
  const encoded = trimmed.slice(prefix.length);
  const usable = trimmed.startsWith(prefix) && encoded.length <= 256;
  if (!usable || !/^[A-Za-z0-9_-]+$/.test(encoded)) throw malformed();
  const bytes = Buffer.from(encoded, "base64url");
  const body = bytes.subarray(0, -4);
  if (body.byteLength <= headBytes || crc32(body) !== bytes.readUInt32BE(body.byteLength)) {
    throw malformed();
  }
  const tokenId = body.toString("latin1", headBytes);
  if (!idPattern.test(tokenId)) throw malformed();
  const expiresAt = body.readUIntBE(16 + secretBytes, 6);
  return {
    clusterId: body.toString("hex", 0, 16),
    tokenId,
    verifier: verifierOf(body.subarray(16, 16 + secretBytes)),
    expiresAt: expiresAt === 0 ? null : expiresAt,
  };
}

function verifierOf(secret: Uint8Array): string {
  return createHash("sha256").update(secret).digest("hex");
}

function malformed(): AgentError {
  return new AgentError(
    P2pCode.tokenMalformed,
    "The join token is malformed: it starts with mst1. and must be pasted whole, on one line. " +
      "Make a new one with: muster token create",
  );
}
