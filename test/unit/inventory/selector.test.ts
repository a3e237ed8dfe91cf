import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AgentError } from "../../../src/base/errors.ts";
import { parseSelector } from "../../../src/inventory/selector-parser.ts";
import {
  type SelectorSubject,
  matchesSelector,
  selectNodes,
} from "../../../src/inventory/selector.ts";
import { cluster, facts } from "../../support/inventory.ts";

const it = suite("selector");

const node: SelectorSubject = {
  name: "n1",
  phase: "commissioned",
  reachability: "reachable",
  roles: ["base", "web"],
  labels: { rack: "r1", gpu: "", "site/room": "a,b", in: "x" },
  facts,
};

function holds(text: string): boolean {
  return matchesSelector(parseSelector(text), node);
}

const cases: readonly (readonly [selector: string, holds: boolean])[] = [
  ["rack=r1", true],
  ["rack==r1", true],
  ["label.rack=r1", true],
  ["rack=r2", false],
  ["rack!=r2", true],
  ["rack!=r1", false],
  ["zone!=a", true],
  ["zone=a", false],
  ["gpu", true],
  ["!gpu", false],
  ["zone", false],
  ["!zone", true],
  ['gpu=""', true],
  ["rack in (r1,r2)", true],
  ["rack in (r2)", false],
  ["rack notin (r2, r3)", true],
  ["zone in (a)", false],
  ["zone notin (a)", true],
  ["role=web", true],
  ["role=db", false],
  ["role!=db", true],
  ["role in (db,base)", true],
  ["role notin (db,web)", false],
  ["name=n1", true],
  ["phase=commissioned", true],
  ["phase in (discovered,failed)", false],
  ["reachability=reachable", true],
  ["facts.arch=x86_64", true],
  ["facts.cpu.count=8", true],
  ["facts.nics.addresses=10.0.0.1", true],
  ["facts.disks.rotational=false", true],
  ["facts.no.such=1", false],
  ["!facts.no.such", true],
  ["facts.pythonPath", false],
  ["facts.constructor", false],
  ["constructor", false],
  ['"site/room"="a,b"', true],
  ["site/room!=x", true],
  ["in in (x)", true],
  [" rack = r1 , role = web ", true],
  ["rack=r1,role=db", false],
];

for (const [selector, expected] of cases) {
  it(`${expected ? "matches" : "does not match"} ${selector}`, () => {
    assert.is(holds(selector), expected);
  });
}

it("matches no fact of a node that has not reported any", () => {
  const bare = { ...node, facts: null };
  assert.is(matchesSelector(parseSelector("facts.arch"), bare), false);
  assert.is(matchesSelector(parseSelector("facts.arch!=arm64"), bare), true);
});

it("refuses to take nothing for everything", () => {
  for (const text of ["", "  "]) {
    assert.throws(
      () => parseSelector(text),
      (error: unknown) => error instanceof AgentError && error.code === "EMPTY_SELECTOR",
    );
  }
});

const bad: readonly (readonly [selector: string, position: number, reason: RegExp])[] = [
  ["rack=", 6, /a value is expected/],
  ["=r1", 1, /a key is expected/],
  ["a,,b", 3, /a key is expected/],
  ["a=b,", 5, /a key is expected/],
  ["a b", 3, /"," is expected/],
  ["a in b", 3, /"," is expected/],
  ["a in (b", 8, /"\)" is expected/],
  ["a in ()", 7, /a value is expected/],
  ["!a=b", 3, /"," is expected/],
  ["label.=x", 1, /lacks the name/],
  ["phase=commisioned", 18, /"commisioned" is no phase; known: discovered/],
  ["reachability!=up", 17, /"up" is no reachability/],
  ["labels.rack=r1", 1, /"labels.rack" is no key: did you mean "rack"\?.*"label.labels.rack"/],
  ["fact.os=debian", 1, /did you mean "facts.os"\?/],
  ['a="open', 3, /a value is expected/],
];

for (const [selector, position, reason] of bad) {
  it(`refuses ${selector} at position ${position}`, () => {
    assert.throws(
      () => parseSelector(selector),
      (error: unknown) => {
        assert.instance(error, AgentError);
        assert.is((error as AgentError).code, "INVALID_SELECTOR");
        assert.is((error as AgentError).details["position"], position);
        assert.match((error as AgentError).message, reason);
        return true;
      },
    );
  });
}

it("bounds length and number of terms", () => {
  const terms = (count: number) => Array.from({ length: count }, (_, i) => `k${i}`).join(",");
  assert.is(parseSelector(terms(64)).terms.length, 64);
  assert.throws(() => parseSelector(terms(65)), /more than 64 terms/);
  assert.throws(() => parseSelector("x".repeat(4097)), /longer than 4096/);
});

it("selects nodes in name order", () => {
  const inventory = cluster("b", "a", "c");
  for (const name of ["c", "a"]) {
    inventory.ok({ type: "node.patch", node: name, labels: { rack: "r1" }, roles: ["web"] });
  }
  const names = (text: string) =>
    selectNodes(inventory.view, parseSelector(text)).map(({ name }) => name);
  assert.equal(names("rack=r1,role=web"), ["a", "c"]);
  assert.equal(names("phase=discovered"), ["a", "b", "c"]);
  assert.equal(names("!rack"), ["b"]);
});

it.run();
