/**
 * Syntax of names, keys and values. A check answers null, or why the value is refused. Names become parts of
 * keys and keys of objects, so slashes and the names every object has (`constructor`) are out.
 */
import { type Json, type JsonObject, isJsonObject } from "../base/json.ts";
import { limits } from "./limits.ts";

const namePattern = /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/;
const labelKeyPattern = /^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$/;
const varKeyPattern = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/** Names of nodes, roles, jobs and tokens. */
export function checkName(kind: string, name: string): string | null {
  if (name.length > limits.nameLength) {
    return `${kind} "${name.slice(0, 40)}…" has ${name.length} characters; at most ${limits.nameLength}`;
  }
  if (namePattern.test(name) && !reserved(name)) return null;
  return `${kind} ${quote(name)} is not a name: letters, digits, and . _ - inside`;
}

export function checkNames(kind: string, names: readonly string[], most: number): string | null {
  if (names.length > most) return `${names.length} of ${kind}; at most ${most}`;
  return firstProblem(names, (name) => checkName(kind, name));
}

export function checkLabel(key: string, value: string | null): string | null {
  if (key.length > limits.labelKeyLength || !labelKeyPattern.test(key) || reserved(key)) {
    return `label key ${quote(key)} is not letters, digits and . _ / - inside, at most ${limits.labelKeyLength}`;
  }
  if (value === null) return null;
  if (value.length > limits.labelValueLength) {
    return `label "${key}" has ${value.length} characters; at most ${limits.labelValueLength}`;
  }
  return hasControl(value) ? `label "${key}" has control characters` : null;
}

export function checkVarKey(key: string): string | null {
  if (key.length <= limits.nameLength && varKeyPattern.test(key) && !reserved(key)) return null;
  return `variable ${quote(key)} is not a name: a letter or _, then letters, digits, . _ -`;
}

/** A whole object of vars: its keys, its size, and no key anywhere that would change a prototype. */
export function checkVars(kind: string, vars: JsonObject): string | null {
  const bad = firstProblem(Object.keys(vars), checkVarKey);
  return bad ?? checkJson(kind, vars, limits.varsBytes);
}

/** The most that one UTF-16 unit of a text takes in JSON: `\uXXXX`. */
const escapedBytes = 6;

export function checkJson(kind: string, value: Json, mostBytes: number): string | null {
  if (typeof value === "string" && value.length * escapedBytes + 2 <= mostBytes) return null;
  if (hasPrototypeKey(value)) return `${kind} has a key "__proto__"`;
  const size = Buffer.byteLength(JSON.stringify(value)); // as long as canonical JSON, and much faster
  return size <= mostBytes ? null : `${kind} has ${size} bytes; at most ${mostBytes}`;
}

/** Free text of a person: a reason, an address, a URL. */
export function checkText(kind: string, value: string, most: number): string | null {
  if (value.length > most) return `${kind} has ${value.length} characters; at most ${most}`;
  return hasControl(value) ? `${kind} has control characters` : null;
}

export function checkPattern(kind: string, value: string, pattern: RegExp): string | null {
  return pattern.test(value) ? null : `${kind} ${quote(value)} does not match ${pattern.source}`;
}

export function firstProblem<T>(
  values: readonly T[],
  check: (value: T) => string | null,
): string | null {
  for (const value of values) {
    const problem = check(value);
    if (problem !== null) return problem;
  }
  return null;
}

/** `text`, cut to `most` characters with a mark that says so. */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

const reservedNames = new Set(Object.getOwnPropertyNames(Object.prototype));

function reserved(name: string): boolean {
  return reservedNames.has(name);
}

function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

function hasPrototypeKey(value: Json): boolean {
  if (Array.isArray(value)) return value.some(hasPrototypeKey);
  if (!isJsonObject(value)) return false;
  return Object.entries(value).some(
    ([key, member]) => key === "__proto__" || hasPrototypeKey(member),
  );
}
