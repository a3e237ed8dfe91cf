/**
 * Which vars are secret: those that any role of any kept revision names. A name that was secret once stays masked,
 * as its value may still be in old jobs and ledgers.
 */
import { type Json, type JsonObject } from "../../base/json.ts";
import { type InventoryView } from "../../inventory/view.ts";
import { secretMask } from "../contract/wire.ts";
import { ApiError } from "../problems.ts";

export function secretNames(view: InventoryView): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { manifest } of view.revisions()) {
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

/** A URL without its password: `https://user:***@host/path`. What is not a URL with one stays as it is. */
export function maskUrl(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null || parsed.password === "") return url;
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/[^:/?#@]*):[^@/?#]*@/i, `$1:${secretMask}@`);
}

/**
 * Refuses to write the mask over a secret: what was read back and sent again would destroy it.
 * @throws ApiError INVALID.
 */
export function refuseMasked(vars: JsonObject, secrets: ReadonlySet<string>): void {
  for (const [key, value] of Object.entries(vars)) {
    if (value !== secretMask || !secrets.has(key)) continue;
    const message = `"${key}" is secret and reads as ${secretMask}; leave it out, or give its real value`;
    throw new ApiError("INVALID", message, { problems: [{ field: key, message }] });
  }
}
