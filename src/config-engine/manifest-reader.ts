/**
 * Reads values out of a YAML document and collects everything that is wrong, each problem with its place, so
 * that an operator mends a manifest in one go.
 */
import {
  type Document,
  LineCounter,
  type Node,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  parseDocument,
} from "yaml";
import { type Json } from "../base/json.ts";
import { nearestWord } from "../base/nearest.ts";

export interface ManifestProblem {
  readonly file: string;
  /** Counted from 1; null when the problem is of the file as a whole. */
  readonly line: number | null;
  readonly column: number | null;
  readonly reason: string;
}

export interface MapEntry {
  readonly key: string;
  readonly keyNode: Node;
  readonly value: Node | null;
}

const problemsLimit = 100;
/** Each use of an anchor counts; more is a bomb rather than a manifest. */
const aliasLimit = 100;

export class ManifestReader {
  readonly problems: ManifestProblem[] = [];
  readonly root: Node | null;
  readonly #file: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;

  constructor(text: string, file: string) {
    this.#file = file;
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      uniqueKeys: true,
    });
    this.root = this.#document.contents;
    for (const error of this.#document.errors) this.#add(error.pos[0], error.message);
  }

  problem(at: Node | null, reason: string): void {
    this.#add(at?.range?.[0] ?? null, reason);
  }

  /** The entries of a map; a problem, and none, when it is something else. `known` null allows any key. */
  entries(node: Node | null, what: string, known: readonly string[] | null): MapEntry[] {
    const map = this.#resolve(node);
    if (!isMap(map)) {
      this.problem(node, `${what} must be a map`);
      return [];
    }
    const entries: MapEntry[] = [];
    for (const { key, value } of map.items) {
      if (!isScalar(key) || typeof key.value !== "string") {
        this.problem(isNode(key) ? key : map, `keys of ${what} must be text`);
      } else if (known !== null && !known.includes(key.value)) {
        this.#unknownKey(key, key.value, { what, known });
      } else {
        entries.push({ key: key.value, keyNode: key, value: isNode(value) ? value : null });
      }
    }
    return entries;
  }

  /** A text; a problem and null when it is something else. */
  text(node: Node | null, what: string): string | null {
    const scalar = this.#resolve(node);
    if (isScalar(scalar) && typeof scalar.value === "string") return scalar.value;
    this.problem(node, `${what} must be text`);
    return null;
  }

  /** The texts of a list, each with its place. */
  texts(node: Node | null, what: string): { text: string; node: Node }[] {
    const list = this.#resolve(node);
    if (!isSeq(list)) {
      this.problem(node, `${what} must be a list`);
      return [];
    }
    const found: { text: string; node: Node }[] = [];
    for (const item of list.items) {
      const itemNode = isNode(item) ? item : list;
      const text = this.text(itemNode, `an item of ${what}`);
      if (text !== null) found.push({ text, node: itemNode });
    }
    return found;
  }

  /** Any value that JSON can say; a problem and null when it is none. */
  json(node: Node, what: string): Json {
    try {
      const value: unknown = node.toJS(this.#document, { maxAliasCount: aliasLimit });
      const refused = notJson(value);
      if (refused === null) return value as Json;
      this.problem(node, `${what} holds ${refused}, which JSON cannot say`);
    } catch (error) {
      this.problem(node, `${what} cannot be read: ${error instanceof Error ? error.message : ""}`);
    }
    return null;
  }

  #resolve(node: Node | null): Node | null {
    return isAlias(node) ? (node.resolve(this.#document) ?? null) : node;
  }

  #unknownKey(at: Node, key: string, context: { what: string; known: readonly string[] }): void {
    const nearest = nearestWord(key, context.known);
    const hint =
      nearest === null ? `known keys: ${context.known.join(", ")}` : `did you mean "${nearest}"?`;
    this.problem(at, `unknown key "${key}" in ${context.what}; ${hint}`);
  }

  #add(position: number | null, reason: string): void {
    if (this.problems.length >= problemsLimit) return;
    const at = position === null ? null : this.#lines.linePos(position);
    const place = { line: at?.line ?? null, column: at?.col ?? null };
    this.problems.push({ file: this.#file, ...place, reason });
  }
}

/** What in a value JSON has no word for; null when there is nothing. */
function notJson(value: unknown): string | null {
  if (typeof value === "number") return Number.isFinite(value) ? null : String(value);
  if (value === null || typeof value === "string" || typeof value === "boolean") return null;
  if (typeof value !== "object") return `a ${typeof value}`;
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype)
    return "an object";
  for (const member of Object.values(value)) {
    const refused = notJson(member);
    if (refused !== null) return refused;
  }
  return null;
}
