/**
 * Scalars of the wire format and the type of a schema's values. Times are RFC 3339 in UTC, durations Go-like
 * texts, sizes bytes, ids sort by time. Values are read-only: nobody changes an answer after it was built.
 */
import { Type, type Static, type TSchema } from "typebox";
import { type Json } from "../../base/json.ts";

type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;

/** The TypeScript type of the values of schema `S`. */
export type Wire<S extends TSchema> = Frozen<Static<S>>;

/** Largest request body in bytes. */
export const maxBodyBytes = 1024 * 1024;
/** What a secret reads as, everywhere. */
export const secretMask = "***";

export const time = Type.String({ format: "date-time", description: "RFC 3339 in UTC" });
export const nullableTime = Type.Union([time, Type.Null()]);
export const nullableString = Type.Union([Type.String(), Type.Null()]);
export const nullableInteger = Type.Union([Type.Integer(), Type.Null()]);
export const durationPattern = "^(\\d+(\\.\\d+)?(ms|s|m|h|d))+$";
export const duration = Type.String({
  pattern: durationPattern,
  maxLength: 32,
  description: "duration with a unit, such as 90s, 15m, 1h30m",
});
/** Name of a node, role or token as a request gives it. */
export const name = Type.String({ minLength: 1, maxLength: 253 });
export const version = Type.Integer({
  minimum: 0,
  description: "Raft index of the last write; the ETag begins with it",
});
export const anyJson = Type.Unsafe<Json>({ description: "any JSON value" });
export const variables = Type.Record(Type.String({ minLength: 1, maxLength: 128 }), anyJson, {
  maxProperties: 1000,
  description: "configuration variables, by top-level key",
});
export const closed = { additionalProperties: false } as const;

/** One page of a listing; `next` is the cursor of the next page, null on the last one. */
export function page<Item extends TSchema>(item: Item) {
  return Type.Object({ items: Type.Array(item), next: nullableString });
}
