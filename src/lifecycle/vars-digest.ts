import { createHash } from "node:crypto";
import { canonicalJson, type JsonObject } from "../base/json.ts";

/** SHA-256 of vars, hex: tells whether two actions were given the same, without showing what. */
export function varsDigest(vars: JsonObject): string {
  return createHash("sha256").update(canonicalJson(vars)).digest("hex");
}
