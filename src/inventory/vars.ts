/** Configuration variables of an action: five levels, each replacing a top-level key of the one before whole. */
import { type Json, type JsonObject, isJsonObject } from "../base/json.ts";
import { type InventoryView } from "./view.ts";
import { mustRevision } from "./roles.ts";

export const maskText = "******";

export interface VarsQuery {
  readonly node: string;
  readonly role: string;
  /** Commit whose manifest gives the lowest level; null for none. */
  readonly revision: string | null;
  readonly jobVars: JsonObject;
}

/**
 * Manifest < globals < role < node < this action.
 * @throws InventoryError REVISION_UNKNOWN.
 */
export function resolveVars(view: InventoryView, query: VarsQuery): JsonObject {
  const { node, role, revision, jobVars } = query;
  return {
    ...(revision === null ? {} : mustRevision(view, revision).manifest.vars),
    ...Object.fromEntries(view.variables().map(({ key, value }) => [key, value])),
    ...view.role(role)?.vars,
    ...view.spec(node).vars,
    ...jobVars,
  };
}

/**
 * Names of vars that any role of any kept revision calls secret. All revisions count: a value does not become
 * public because a newer manifest forgot to name it.
 */
export function secretNames(view: InventoryView): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { manifest } of view.revisions()) {
    for (const { secrets } of Object.values(manifest.roles)) {
      for (const name of secrets) names.add(name);
    }
  }
  return names;
}

/** `vars` for eyes that may not see secrets. */
export function maskSecrets(vars: JsonObject, secrets: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(
    Object.entries(vars).map(([key, value]) => [key, secrets.has(key) ? maskText : value]),
  );
}

/** Texts that must not appear in a transcript: every text and number inside the secret vars. */
export function secretValues(vars: JsonObject, secrets: ReadonlySet<string>): readonly string[] {
  const values = new Set<string>();
  for (const [key, value] of Object.entries(vars)) if (secrets.has(key)) collect(value, values);
  values.delete("");
  return [...values].sort();
}

function collect(value: Json, into: Set<string>): void {
  if (typeof value === "string" || typeof value === "number") into.add(String(value));
  else if (Array.isArray(value)) for (const member of value) collect(member as Json, into);
  else if (isJsonObject(value)) for (const member of Object.values(value)) collect(member, into);
}
