/** Which nodes a selector means (its syntax is in selector-parser.ts). Pure. */
import { type InventoryView } from "./view.ts";
import { type Selector, type SelectorTerm } from "./selector-parser.ts";
import { type Facts, type NodeRecord } from "./records.ts";

export interface SelectorSubject {
  readonly name: string;
  readonly phase: string;
  readonly reachability: string;
  readonly roles: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly facts: Facts | null;
}

export function matchesSelector(selector: Selector, subject: SelectorSubject): boolean {
  return selector.terms.every((term) => holds(term, subject));
}

/** Nodes that a selector means, in name order; roles are those assigned. */
export function selectNodes(view: InventoryView, selector: Selector): readonly NodeRecord[] {
  return view.nodes().filter((node) => matchesSelector(selector, selectorSubject(view, node)));
}

export function selectorSubject(view: InventoryView, node: NodeRecord): SelectorSubject {
  const { name, phase, reachability, facts } = node;
  const roles = view.spec(name).roles;
  return { name, phase, reachability, facts, roles, labels: view.labels(name).labels };
}

/** A negated term also holds for a node that lacks the key, as in Kubernetes. */
function holds({ field, path, values, negated }: SelectorTerm, subject: SelectorSubject): boolean {
  const actual = valuesOf(field, path, subject);
  const found =
    values === null ? actual.length > 0 : actual.some((value) => values.includes(value));
  return found !== negated;
}

function valuesOf(
  field: SelectorTerm["field"],
  path: string,
  subject: SelectorSubject,
): readonly string[] {
  switch (field) {
    case "name":
    case "phase":
    case "reachability":
      return [subject[field]];
    case "role":
      return subject.roles;
    case "label": {
      const value = Object.hasOwn(subject.labels, path) ? subject.labels[path] : undefined;
      return value === undefined ? [] : [value];
    }
    case "facts":
      return leaves(subject.facts, path.split("."));
  }
}

/** Values at a path; a list on the way offers each of its members (`facts.nics.name=eth0`). */
function leaves(value: unknown, path: readonly string[]): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((member) => leaves(member, path));
  const [key, ...rest] = path;
  if (typeof value === "object" && value !== null) {
    if (key === undefined || !Object.hasOwn(value, key)) return [];
    return leaves((value as Readonly<Record<string, unknown>>)[key], rest);
  }
  if (key !== undefined || value === null || value === undefined) return [];
  return [String(value)];
}
