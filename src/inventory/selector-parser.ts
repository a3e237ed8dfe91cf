/**
 * Reads selectors: terms joined by commas, all of which must hold.
 *
 *     rack=r1   role==web   phase!=failed   zone in (a,b)   zone notin (c)   gpu   !gpu   "label.my key"=x
 *
 * Errors name the position, so that a caller can point at it.
 */
import { InventoryError } from "./errors.ts";
import { phases, reachabilities } from "./records.ts";

/** What a key looks at. `label` and `facts` carry the rest of the key. */
export type SelectorField = "name" | "phase" | "reachability" | "role" | "label" | "facts";

export interface SelectorTerm {
  readonly field: SelectorField;
  /** Label key, or dotted path into the facts; empty for other fields. */
  readonly path: string;
  /** The node has one of `values` (or, when null, any value); `negated` turns that round. */
  readonly values: readonly string[] | null;
  readonly negated: boolean;
}

export interface Selector {
  readonly text: string;
  readonly terms: readonly SelectorTerm[];
}

const maxLength = 4096;
const maxTerms = 64;

/**
 * @throws InventoryError EMPTY_SELECTOR, INVALID_SELECTOR.
 */
export function parseSelector(text: string): Selector {
  if (text.trim() === "") {
    throw new InventoryError(
      "EMPTY_SELECTOR",
      "Selector is empty; to mean every node, say so (--all)",
    );
  }
  return { text, terms: new Parser(text).terms() };
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    if (text.length > maxLength) this.#fail(`it is longer than ${maxLength} characters`, maxLength);
  }

  terms(): readonly SelectorTerm[] {
    const terms = [this.#term()];
    while (this.#at < this.#text.length) {
      this.#expect(",");
      terms.push(this.#term());
      if (terms.length > maxTerms) this.#fail(`it has more than ${maxTerms} terms`);
    }
    return terms;
  }

  #term(): SelectorTerm {
    const absent = this.#take("!");
    const start = this.#at;
    const key = this.#word("a key");
    const target = this.#target(key, start);
    if (absent) return { ...target, values: null, negated: true };
    if (this.#take("!="))
      return this.#checked({ ...target, values: [this.#value()], negated: true });
    if (this.#take("==") || this.#take("=")) {
      return this.#checked({ ...target, values: [this.#value()], negated: false });
    }
    const word = /\s*(notin|in)\s*(?=\()/y;
    word.lastIndex = this.#at;
    const set = word.exec(this.#text);
    if (set === null) return { ...target, values: null, negated: false };
    this.#at = word.lastIndex;
    return this.#checked({ ...target, values: this.#set(), negated: set[1] === "notin" });
  }

  #target(key: string, start: number): Pick<SelectorTerm, "field" | "path"> {
    if (key === "name" || key === "phase" || key === "reachability" || key === "role") {
      return { field: key, path: "" };
    }
    const slip = /^(labels|fact)\.(.*)$/.exec(key);
    if (slip !== null) {
      const meant = slip[1] === "fact" ? `facts.${slip[2]}` : (slip[2] ?? "");
      const otherwise = slip[1] === "labels" ? ` (or "label.${key}" for a label of that name)` : "";
      this.#fail(`"${key}" is no key: did you mean "${meant}"?${otherwise}`, start);
    }
    const field = key.startsWith("facts.") ? "facts" : "label";
    const path = key.startsWith("facts.") || key.startsWith("label.") ? key.slice(6) : key;
    if (path === "") this.#fail(`"${key}" lacks the name after the dot`, start);
    return { field, path };
  }

  /** A misspelled phase would silently match nothing (or, negated, everything). */
  #checked(term: SelectorTerm): SelectorTerm {
    const known: readonly string[] | null =
      term.field === "phase" ? phases : term.field === "reachability" ? reachabilities : null;
    const wrong = known === null ? undefined : term.values?.find((value) => !known.includes(value));
    if (wrong !== undefined) {
      this.#fail(`"${wrong}" is no ${term.field}; known: ${known?.join(", ") ?? ""}`);
    }
    return term;
  }

  #set(): readonly string[] {
    this.#expect("(");
    const values = [this.#value()];
    while (this.#take(",")) values.push(this.#value());
    this.#expect(")");
    return values;
  }

  #value(): string {
    return this.#word("a value");
  }

  /** Bare text up to an operator, or anything in double quotes. */
  #word(what: string): string {
    const word = /\s*(?:"([^"]*)"|([^\s,=!()"]+))\s*/y;
    word.lastIndex = this.#at;
    const match = word.exec(this.#text);
    if (match === null) return this.#fail(`${what} is expected`);
    this.#at = word.lastIndex;
    return match[1] ?? match[2] ?? "";
  }

  #take(token: string): boolean {
    const rest = this.#text.slice(this.#at).trimStart();
    if (!rest.startsWith(token)) return false;
    this.#at = this.#text.length - rest.length + token.length;
    return true;
  }

  #expect(token: string): void {
    if (this.#take(token)) {
      this.#at += this.#text.slice(this.#at).length - this.#text.slice(this.#at).trimStart().length;
      return;
    }
    this.#fail(`"${token}" is expected`);
  }

  #fail(reason: string, at = this.#at): never {
    const position = at + 1;
    const found = at < this.#text.length ? ` at "${this.#text.slice(at, at + 20)}"` : " at its end";
    throw new InventoryError(
      "INVALID_SELECTOR",
      `Cannot read selector "${this.#text.slice(0, 200)}": position ${position},${found}: ${reason}`,
      { selector: this.#text.slice(0, maxLength), position },
    );
  }
}
