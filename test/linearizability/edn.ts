/**
 * As much of EDN (github.com/edn-format/edn) as a history needs: one flat map from keywords to integers, strings,
 * keywords and nil.
 */
import { malformed, quote } from "./malformed.ts";

export type EdnValue = number | string | null | { readonly keyword: string };

export type EdnMap = ReadonlyMap<string, EdnValue>;

const separators = /[\s,]*/y;
const keyword = /:[\w.*+!?<>=/-]{1,100}/y;
const integer = /-?\d{1,15}(?![\w.])/y;
const nil = /nil(?!\w)/y;
const string = /"([^"\\]*(?:\\.[^"\\]*)*)"/y;

export function parseEdnMap(text: string): EdnMap {
  const scan = new Scan(text);
  const map = new Map<string, EdnValue>();
  scan.expect("{");
  while (!scan.take("}")) {
    const key = scan.value();
    if (typeof key !== "object" || key === null) throw malformed("a key must be a keyword");
    if (map.has(key.keyword)) throw malformed(`${key.keyword} is given twice`);
    map.set(key.keyword, scan.value());
  }
  scan.expect("");
  return map;
}

/** As `parseEdnMap` reads it. */
export function formatEdnMap(map: EdnMap): string {
  return `{${[...map].map(([key, value]) => `${key} ${formatValue(value)}`).join(", ")}}`;
}

function formatValue(value: EdnValue): string {
  if (value === null) return "nil";
  if (typeof value === "object") return value.keyword;
  // JSON's escapes are EDN's.
  return JSON.stringify(value);
}

class Scan {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#match(separators);
  }

  /** The next token must be `token`; the empty one is the end. */
  expect(token: string): void {
    if (token === "" ? this.#at === this.#text.length : this.take(token)) return;
    throw malformed(`expected ${token === "" ? "the end" : token} at ${this.#rest()}`);
  }

  take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    this.#match(separators);
    return true;
  }

  value(): EdnValue {
    const value = this.#value();
    this.#match(separators);
    return value;
  }

  #value(): EdnValue {
    const name = this.#match(keyword);
    if (name !== null) return { keyword: name[0] };
    const number = this.#match(integer);
    if (number !== null) return Number(number[0]);
    if (this.#match(nil) !== null) return null;
    const content = this.#match(string);
    if (content !== null) return unescape(content[1] ?? "");
    throw malformed(`expected a keyword, an integer, a string or nil at ${this.#rest()}`);
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found !== null) this.#at += found[0].length;
    return found;
  }

  #rest(): string {
    return this.#at === this.#text.length ? "the end" : quote(this.#text.slice(this.#at));
  }
}

const escapes: ReadonlyMap<string, string> = new Map([
  ["n", "\n"],
  ["t", "\t"],
  ["r", "\r"],
  ["\\", "\\"],
  ['"', '"'],
]);

function unescape(text: string): string {
  return text.replace(
    /\\(?:u([0-9a-fA-F]{4})|(.))/gs,
    (whole, code: string | undefined, letter) => {
      if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
      const meant = escapes.get(String(letter));
      if (meant === undefined) throw malformed(`unknown escape ${quote(whole)} in a string`);
      return meant;
    },
  );
}
