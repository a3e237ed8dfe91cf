/**
 * Tokens and the key ring (S): what forbids wins. A token that either side revoked or dropped is gone; its uses are
 * counted over both sides; the higher epoch of keys counts, and the secrets of the other never reach the journal.
 */
import { type TokenRecord } from "../records.ts";
import { type Merging, bare } from "./merging.ts";

export function mergeTokens(merging: Merging): void {
  const { draft, other } = merging;
  for (const theirs of other.records.token.values()) {
    const ours = draft.view.token(theirs.id);
    const dropped = draft.view.get("deleted", `token/${theirs.id}`);
    const united = ours === null ? theirs : unite(ours, theirs);
    const held = { value: bare(theirs), version: theirs.version };
    const verdict = merging.judge(`token/${theirs.id}`, held, {
      value: bare(ours),
      version: ours?.version ?? dropped?.version ?? 0,
    });
    if (verdict === "same" || verdict === "known" || verdict === "older") continue;
    if (ours === null && dropped !== null) continue;
    draft.put("token", theirs.id, united);
    merging.counts.applied += 1;
  }
  for (const deleted of other.records.deleted.keys()) {
    const id = deleted.startsWith("token/") ? deleted.slice("token/".length) : null;
    const ours = id === null ? null : draft.view.token(id);
    // Only tokens that nobody can use are ever dropped.
    if (ours === null || ours.revokedAt !== null) continue;
    draft.put("token", ours.id, { ...ours, revokedAt: draft.at });
    merging.counts.applied += 1;
  }
}

function unite(ours: TokenRecord, theirs: TokenRecord): TokenRecord {
  const usedBy = [...new Set([...ours.usedBy, ...theirs.usedBy])];
  return {
    ...ours,
    usedBy,
    usesLeft: leftOf(ours, theirs, usedBy.length),
    expiresAt: least(ours.expiresAt, theirs.expiresAt),
    revokedAt: least(ours.revokedAt, theirs.revokedAt),
  };
}

/** Every use was counted where it happened: together they may be more than were allowed, but never count less. */
function leftOf(ours: TokenRecord, theirs: TokenRecord, used: number): number | null {
  if (ours.usesLeft === null || theirs.usesLeft === null)
    return least(ours.usesLeft, theirs.usesLeft);
  const allowed = Math.min(
    ours.usesLeft + ours.usedBy.length,
    theirs.usesLeft + theirs.usedBy.length,
  );
  return Math.max(0, allowed - used);
}

function least(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}

/** Its keys come as older than every eviction (`export.ts`): a rotation follows wherever anybody was ever evicted. */
export function mergeKeyring({ draft, other, counts }: Merging): void {
  const theirs = other.records.keyring.get("");
  const ours = draft.view.keyring();
  if (theirs === undefined || (ours !== null && ours.epoch >= theirs.epoch)) return;
  draft.put("keyring", "", theirs);
  counts.applied += 1;
}
