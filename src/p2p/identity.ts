/**
 * Who this agent is: an Ed25519 key made once in the data directory. The peer id is the key, so losing or
 * copying the file means another or a doubled member; it is therefore written atomically and never overwritten.
 */
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { link, open, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import { type Ed25519PrivateKey } from "@libp2p/interface";
import { peerIdFromPrivateKey, peerIdFromString } from "@libp2p/peer-id";
import { AgentError, errorCode, errorMessage } from "../base/errors.ts";
import { asPeerId, newUuid, type PeerId } from "../base/ids.ts";
import { P2pCode } from "./errors.ts";

export interface Identity {
  readonly peer: PeerId;
  /** For libp2p's noise handshake. */
  readonly privateKey: Ed25519PrivateKey;
  sign(bytes: Uint8Array): Uint8Array;
}

const fileName = "identity.key";
const orJoinAnew = "or forget its node and let it join with an empty data directory.";

/**
 * Loads the key of a data directory, or makes one: not where an agent `isMember` already, as the cluster knows it by
 * the key that is gone, and another would be a stranger with a member's log.
 * @throws AgentError IDENTITY_*
 */
export async function loadIdentity(
  dataDir: string,
  { isMember = false }: { readonly isMember?: boolean } = {},
): Promise<Identity> {
  const path = join(dataDir, fileName);
  try {
    return identityOf(await readKey(path));
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    if (isMember) throw missing(path);
  }
  const key = await generateKeyPair("Ed25519");
  const made = await writeOnce(dataDir, path, key).catch((error: unknown) => {
    throw unusable(`Could not write the agent's identity "${path}"`, error);
  });
  return identityOf(made ? key : await readKey(path));
}

/** An identity that is stored nowhere. */
export async function ephemeralIdentity(): Promise<Identity> {
  return identityOf(await generateKeyPair("Ed25519"));
}

/** True when `signature` over `bytes` was made by the key that `peer` names. Never throws. */
export function verifySignature(peer: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    return signature.byteLength === 64 && verify(null, bytes, keyOf(peer), signature);
  } catch {
    return false; // a text that is no peer id proves nothing
  }
}

async function readKey(path: string): Promise<Ed25519PrivateKey> {
  let bytes: Buffer;
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) throw openToOthers(path, mode);
    bytes = await readFile(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT" || error instanceof AgentError) throw error;
    throw unusable(`Could not read the agent's identity "${path}"`, error);
  }
  return parseKey(path, bytes);
}

function missing(path: string): AgentError {
  const text = `The agent's identity "${path}" is gone, by which its cluster knows it. Restore it from a backup; ${orJoinAnew}`;
  return new AgentError(P2pCode.identityMissing, text, { path });
}

function unusable(what: string, cause: unknown): AgentError {
  const text = `${what}: ${errorMessage(cause)}. Check the data directory and its owner.`;
  return new AgentError(P2pCode.identityUnreadable, text, {}, { cause });
}

function openToOthers(path: string, mode: number): AgentError {
  const octal = (mode & 0o777).toString(8).padStart(4, "0");
  return new AgentError(
    P2pCode.identityPermissions,
    `The agent's private key "${path}" has mode ${octal}, so others on this host can use it. ` +
      `Run: chmod 600 ${path}`,
    { path, mode: octal },
  );
}

function parseKey(path: string, bytes: Uint8Array): Ed25519PrivateKey {
  try {
    const key = privateKeyFromProtobuf(bytes);
    if (key.type === "Ed25519") return key;
  } catch {
    // Reported below: what the parser says about garbage helps nobody.
  }
  throw new AgentError(
    P2pCode.identityCorrupt,
    `The agent's identity "${path}" (${bytes.byteLength} bytes) is not an Ed25519 key. Restore it from a backup; ${orJoinAnew}`,
    { path, bytes: bytes.byteLength },
  );
}

/** False when another process made the key first: a hard link, unlike a rename, never replaces a file. */
async function writeOnce(dir: string, path: string, key: Ed25519PrivateKey): Promise<boolean> {
  const temporary = `${path}.${newUuid()}.tmp`;
  const file = await open(temporary, "wx", 0o600);
  try {
    await file.writeFile(privateKeyToProtobuf(key));
    await file.sync();
    await file.close();
    await link(temporary, path);
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  } finally {
    await file.close();
    await unlink(temporary);
  }
  const folder = await open(dir, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
  return true;
}

function identityOf(privateKey: Ed25519PrivateKey): Identity {
  const signer = createPrivateKey({
    key: {
      kty: "OKP",
      crv: "Ed25519",
      d: Buffer.from(privateKey.raw.subarray(0, 32)).toString("base64url"),
      x: Buffer.from(privateKey.publicKey.raw).toString("base64url"),
    },
    format: "jwk",
  });
  return {
    peer: asPeerId(peerIdFromPrivateKey(privateKey).toString()),
    privateKey,
    sign: (bytes) => sign(null, bytes, signer),
  };
}

/** Those used last: to make one costs as much as to verify with it. Some 2 kB each. */
const keys = new Map<string, KeyObject>();
const keysMax = 512;

/** @throws Error where the text is no peer id with an Ed25519 key in it */
function keyOf(peer: string): KeyObject {
  const publicKey = keys.get(peer) ?? madeOf(peer);
  keys.delete(peer);
  keys.set(peer, publicKey);
  const [oldest] = keys.keys();
  if (keys.size > keysMax && oldest !== undefined) keys.delete(oldest);
  return publicKey;
}

function madeOf(peer: string): KeyObject {
  const { publicKey } = peerIdFromString(peer);
  if (publicKey?.type !== "Ed25519") throw new TypeError("no Ed25519 key");
  return publicKeyOf(publicKey.raw);
}

function publicKeyOf(raw: Uint8Array): KeyObject {
  const x = Buffer.from(raw).toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
}
