/**
 * Which vars are secret: those that any role of any kept revision names. A name that was secret once stays masked,
 * as its value may still be in old jobs and ledgers.
 */
import { type Json, type JsonObject } from "../../base/json.ts";
import { type RevisionRecord } from "../../inventory/records.ts";
import { type InventoryView } from "../../inventory/view.ts";
import { secretMask } from "../contract/wire.ts";
import { ApiError } from "../problems.ts";

/** By the list of revisions, which is another one after every change. */
const known = new WeakMap<readonly RevisionRecord[], ReadonlySet<string>>();

export function secretNames(view: InventoryView): ReadonlySet<string> {
  const revisions = view.revisions();
  let names = known.get(revisions);
  if (names === undefined) {
    names = namesIn(revisions);
    known.set(revisions, names);
  }
  return names;
}

function namesIn(revisions: readonly RevisionRecord[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { manifest } of revisions) {
    for (const role of Object.values(manifest.roles)) {
      for (const name of role.secrets) names.add(name);
    }
  }
  return names;
}

/** Vars as callers may see them. */
export function maskVars(vars: JsonObject, secrets: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(
    Object.entries(vars).map(([key, value]) => [key, maskVar(key, value, secrets)]),
  );
}

export function maskVar(key: string, value: Json, secrets: ReadonlySet<string>): Json {
  return secrets.has(key) ? secretMask : value;
}

/**
 * URLs in a text without what opens them: `https://user:***@host/path`, and `https://***@host` where a token
 * stands alone. The user of `ssh://git@host` is no secret.
 */
export function maskUrls(text: string): string {
  return text
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/[^\s:/?#@]*):[^\s@/?#]*@/gi, `$1:${secretMask}@`)
    .replaceAll(/(https?:\/\/)[^\s:/?#@]+@/gi, `$1${secretMask}@`);
}

/** `value` with the URLs in all its texts masked. */
export function maskUrlsIn(value: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      typeof member === "string" ? maskUrls(member) : member,
    ]),
  );
}

/**
 * Refuses to write the mask over a secret: what was read back and sent again would destroy it.
 * @throws ApiError INVALID.
 */
export function refuseMasked(vars: JsonObject, secrets: ReadonlySet<string>): void {
  if (secrets.size === 0) return;
  for (const [key, value] of Object.entries(vars)) {
    if (value !== secretMask || !secrets.has(key)) continue;
    const message = `"${key}" is secret and reads as ${secretMask}; leave it out, or give its real value`;
    throw new ApiError("INVALID", message, { problems: [{ field: key, message }] });
  }
}

/**
 * For records that are replaced whole: a secret that comes back as the mask keeps the value it has, so that what was
 * read can be changed elsewhere and written back. @throws ApiError INVALID where there is none to keep.
 */
export function keepMasked(
  vars: JsonObject,
  stored: JsonObject,
  secrets: ReadonlySet<string>,
): JsonObject {
  const kept = Object.entries(vars).map(([key, value]): [string, Json] => {
    const before = stored[key];
    const isKept = value === secretMask && secrets.has(key) && before !== undefined;
    return [key, isKept ? before : value];
  });
  const result = Object.fromEntries(kept);
  refuseMasked(result, secrets);
  return result;
}
