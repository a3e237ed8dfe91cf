/**
 * Conditional requests and idempotency keys, read from headers. ETags are the place of the record's last write in
 * quotes; weak ones are refused, as a write needs the exact record.
 */
import { createHash } from "node:crypto";
import { canonicalJson } from "../base/json.ts";
import { type Envelope } from "../inventory/commands.ts";
import { parsePlace, type Place } from "./places.ts";
import { ApiError } from "./problems.ts";

export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

const longestKey = 255;

/** The record must not exist. */
const nowhere: Place = { index: 0, generation: null };

/** Where the record must have been written last; undefined when the write is unconditional. */
export function ifWrittenAt(headers: Headers): Place | undefined {
  const match = headers["if-match"];
  const noneMatch = headers["if-none-match"];
  if (match !== undefined && noneMatch !== undefined) {
    throw new ApiError("INVALID_REQUEST", "If-Match and If-None-Match exclude each other");
  }
  if (noneMatch !== undefined) {
    if (noneMatch === "*") return nowhere;
    throw new ApiError(
      "INVALID_REQUEST",
      `If-None-Match of a write must be *, not ${shown(noneMatch)}`,
    );
  }
  if (match === undefined) return undefined;
  const quoted = typeof match === "string" ? /^"([^"]*)"$/.exec(match) : null;
  const place = parsePlace(quoted?.[1] ?? "");
  if (place === null) {
    const message = `If-Match must be one strong ETag as given by this API, such as "17", not ${shown(match)}`;
    throw new ApiError("INVALID_REQUEST", message);
  }
  return place;
}

export interface Fingerprinted {
  readonly method: string;
  /** Path with query. */
  readonly url: string;
  readonly body: unknown;
}

/** The Idempotency-Key with a digest of the request it belongs to, or null when none was given. */
export function idempotency(headers: Headers, request: Fingerprinted): Envelope["idempotency"] {
  const key = headers["idempotency-key"];
  if (key === undefined) return null;
  if (typeof key !== "string" || !/^[\x20-\x7e]+$/.test(key) || key.length > longestKey) {
    const message = `Idempotency-Key must be 1 to ${longestKey} printable ASCII characters`;
    throw new ApiError("INVALID_REQUEST", message);
  }
  const text = `${request.method}\n${request.url}\n${canonicalJson(request.body ?? null)}`;
  return { key, digest: createHash("sha256").update(text).digest("hex") };
}

function shown(header: string | readonly string[]): string {
  return String(header).slice(0, 80);
}
