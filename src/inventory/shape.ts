/**
 * Shape checks for decoded bytes, bound to the types they stand for: a record type that gains a field does
 * not compile until its shape has it too. A check answers null, or the path and reason of the first mismatch.
 * Fields that are not named are let through, as the same schema version ignores them everywhere.
 */
import { type Json } from "../base/json.ts";

export interface Shape<T> {
  (value: unknown, path: string): string | null;
  /** Never present: carries the type. */
  readonly type?: T;
}

type Fields<T> = { readonly [K in keyof Required<T>]: Shape<T[K & keyof T]> };

const maxDepth = 64;

export const text: Shape<string> = (value, path) =>
  typeof value === "string" ? null : `${path} is not a text`;

export const flag: Shape<boolean> = (value, path) =>
  typeof value === "boolean" ? null : `${path} is not true or false`;

export const number: Shape<number> = (value, path) =>
  typeof value === "number" && Number.isFinite(value) ? null : `${path} is not a number`;

export const integer: Shape<number> = (value, path) =>
  Number.isSafeInteger(value) ? null : `${path} is not an integer`;

export const natural: Shape<number> = (value, path) =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0
    ? null
    : `${path} is not a whole number of at least 0`;

export const json: Shape<Json> = (value, path) =>
  isJson(value, 0) ? null : `${path} is not a JSON value of at most ${maxDepth} levels`;

export const binary: Shape<Uint8Array> = (value, path) =>
  value instanceof Uint8Array ? null : `${path} is not binary`;

/** Text of a kind that only its source can make (a peer id). */
export function brand<T extends string>(): Shape<T> {
  return text as Shape<T>;
}

export function oneOf<const T extends string>(...known: readonly T[]): Shape<T> {
  return (value, path) =>
    typeof value === "string" && (known as readonly string[]).includes(value)
      ? null
      : `${path} is not one of ${known.join(", ")}`;
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return (value, path) => (value === null ? null : shape(value, path));
}

export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return (value, path) => (value === undefined ? null : shape(value, path));
}

export function either<A, B>(first: Shape<A>, second: Shape<B>): Shape<A | B> {
  return (value, path) => (first(value, path) === null ? null : second(value, path));
}

export function list<T>(member: Shape<T>): Shape<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) return `${path} is not a list`;
    for (const [at, element] of value.entries()) {
      const problem = member(element, `${path}[${at}]`);
      if (problem !== null) return problem;
    }
    return null;
  };
}

export function dictionary<T>(member: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return (value, path) => {
    if (!isPlainObject(value)) return `${path} is not an object`;
    for (const [key, element] of Object.entries(value)) {
      const problem = member(element, `${path}.${key}`);
      if (problem !== null) return problem;
    }
    return null;
  };
}

export function object<T>(fields: Fields<T>): Shape<T> {
  const checks = Object.entries<Shape<unknown>>(fields);
  return (value, path) => {
    if (!isPlainObject(value)) return `${path} is not an object`;
    for (const [key, check] of checks) {
      const member = Object.hasOwn(value, key) ? value[key] : undefined;
      // Where the problem is, is spelled only when there is one.
      if (check(member, "") !== null) return check(member, `${path}.${key}`);
    }
    return null;
  };
}

/** The decoder can make Map, Set, Date and the like out of hostile bytes: none of them is plain. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}

function isJson(value: unknown, depth: number): boolean {
  if (depth > maxDepth) return false;
  if (value === null || typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (Array.isArray(value)) return value.every((member) => isJson(member, depth + 1));
  return isPlainObject(value) && Object.values(value).every((member) => isJson(member, depth + 1));
}
