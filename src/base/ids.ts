import { randomBytes } from "node:crypto";

/** Identity of an agent: its libp2p peer id (base58 text of an Ed25519 key). */
export type PeerId = string & { readonly __brand: "PeerId" };

/** Takes a text that a trusted source (libp2p, the replicated inventory) gave as a peer id. */
export function asPeerId(text: string): PeerId {
  return text as PeerId;
}

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/**
 * A new id that sorts by time: 9 characters of milliseconds and 9 of chance (45 bits) in Crockford base 32.
 * @param wallMs milliseconds since the Unix epoch.
 */
export function newId(wallMs: number): string {
  let time = "";
  let rest = Math.floor(wallMs);
  for (let i = 0; i < 9; i += 1) {
    time = (alphabet[rest % 32] ?? "0") + time;
    rest = Math.floor(rest / 32);
  }
  let chance = "";
  for (const byte of randomBytes(9)) chance += alphabet[byte % 32] ?? "0";
  return time + chance;
}

/**
 * 128 bits as 32 hexadecimal digits that sort by time: 48 bits of milliseconds, 80 of chance. Names one start of a
 * process, so that of two the later one is known.
 */
export function newBootId(wallMs: number): string {
  const time = Math.max(0, Math.floor(wallMs)).toString(16).padStart(12, "0").slice(-12);
  return time + randomBytes(10).toString("hex");
}

/** 128 random bits as 32 hexadecimal digits: cluster ids, incarnations, boot ids of agents. */
export function newUuid(): string {
  return randomBytes(16).toString("hex");
}
