/**
 * Tokens as operators hold them. Join tokens carry the cluster and are proven in the join dialogue; API tokens
 * are `mapi1.ID.SECRET`, of which the inventory keeps SHA-256.
 */
import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import { type Caller, type NewToken } from "../api/context.ts";
import { type InventoryView } from "../inventory/view.ts";
import { makeJoinToken } from "../p2p/join-token.ts";

const apiPrefix = "mapi1";

export function newApiToken(id: string): NewToken {
  const secret = randomBytes(32).toString("base64url");
  return { id, token: `${apiPrefix}.${id}.${secret}`, verifier: digest(secret) };
}

export function newJoinToken(id: string, clusterId: string): NewToken {
  return { id, ...makeJoinToken({ clusterId, tokenId: id, expiresAt: null }) };
}

/** Who holds `token`, or null when it is unknown, revoked, expired or not for the API. */
export function authenticateToken(
  view: InventoryView,
  token: string,
  wallMs: number,
): Caller | null {
  const [prefix, id, secret, ...rest] = token.split(".");
  if (prefix !== apiPrefix || id === undefined || secret === undefined || rest.length > 0) {
    return null;
  }
  const record = view.token(id);
  const expected = Buffer.from(record?.verifier ?? digest(""), "hex");
  const given = Buffer.from(digest(secret), "hex");
  const isEqual = expected.length === given.length && timingSafeEqual(expected, given);
  if (record === null || !isEqual || record.kind !== "api" || record.revokedAt !== null)
    return null;
  if (record.expiresAt !== null && record.expiresAt <= wallMs) return null;
  return { actor: `token:${record.id}`, role: record.role ?? "reader" };
}

function digest(secret: string): string {
  return hash("sha256", secret);
}
