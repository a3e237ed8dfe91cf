/** A JSON value: what configuration variables, command payloads and details are made of. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * False where a number is too large for a double: JSON's grammar knows no limit, `JSON.parse` reads `1e999` as an infinity
 * (as YAML's `.inf` is), and `JSON.stringify` would make null of it. Recurses: for values whose depth is bounded.
 */
export function hasFiniteNumbers(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  return Object.values(value).every(hasFiniteNumbers);
}

/**
 * RFC 7396 merge patch: an object merges key by key, null removes, anything else replaces.
 * Returns a new value; neither argument is changed.
 */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isJsonObject(patch)) return patch;
  const result: Record<string, Json> = isJsonObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

/** True when both have the same canonical JSON. */
export function equalJson(a: Json, b: Json): boolean {
  if (a === b) return true;
  const composed = typeof a === "object" && typeof b === "object";
  return composed && canonicalJson(a) === canonicalJson(b);
}

/** JSON with sorted keys: equal values give equal text. Used for digests and comparisons. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}
