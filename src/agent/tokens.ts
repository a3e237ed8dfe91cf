/**
 * Tokens as operators hold them. Join tokens carry the cluster and are proven in the join dialogue; API tokens
 * are `mapi1.ID.SECRET`, of which the inventory keeps SHA-256.
 */
import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import { type Caller, type NewToken } from "../api/context.ts";
import { type TokenRecord } from "../inventory/records.ts";
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

/** A caller sends its token with every request; so many that were found good are known again without a digest. */
const mostRemembered = 64;

interface Known {
  readonly record: TokenRecord;
  readonly caller: Caller;
}

/**
 * `authenticateToken`, with a memory. Only good tokens enter it, and only while the record that let them in is still
 * the one in the inventory, so that a revocation holds from the entry that brings it.
 */
export function rememberingTokens(
  view: InventoryView,
): (token: string, wallMs: number) => Caller | null {
  const remembered = new Map<string, Known>();
  return (token, wallMs) => {
    const known = remembered.get(token);
    if (known !== undefined) {
      if (view.token(known.record.id) === known.record && !isOver(known.record, wallMs)) {
        return known.caller;
      }
      remembered.delete(token);
    }
    const caller = authenticateToken(view, token, wallMs);
    const record = caller === null ? null : view.token(idOf(token));
    if (caller === null || record === null) return null;
    const [oldest] = remembered.keys();
    if (remembered.size >= mostRemembered && oldest !== undefined) remembered.delete(oldest);
    remembered.set(token, { record, caller });
    return caller;
  };
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
  if (record === null || !isEqual || record.kind !== "api" || isOver(record, wallMs)) return null;
  return { actor: `token:${record.id}`, role: record.role ?? "reader" };
}

function isOver({ revokedAt, expiresAt }: TokenRecord, wallMs: number): boolean {
  return revokedAt !== null || (expiresAt !== null && expiresAt <= wallMs);
}

function idOf(token: string): string {
  return token.split(".")[1] ?? "";
}

function digest(secret: string): string {
  return hash("sha256", secret);
}
