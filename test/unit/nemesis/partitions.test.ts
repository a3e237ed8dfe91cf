/** The shapes of partitions: who still hears whom. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  bridge,
  type Cut,
  halves,
  isolate,
  majoritiesRing,
  oneWay,
} from "../../support/lab/partitions.ts";

const it = suite("nemesis: partitions");
const five = ["a", "b", "c", "d", "e"];

/** Whom each host exchanges packets with, itself included. */
function sees(cuts: readonly Cut[], hosts: readonly string[]): Record<string, string> {
  const isCut = (from: string, to: string): boolean =>
    cuts.some((cut) => cut.from === from && cut.to === to);
  const seen = (host: string): string =>
    hosts.filter((other) => !isCut(host, other) && !isCut(other, host)).join("");
  return Object.fromEntries(hosts.map((host) => [host, seen(host)]));
}

it("cuts one host off", () => {
  assert.equal(sees(isolate("b", ["a", "b", "c"]), ["a", "b", "c"]), { a: "ac", b: "b", c: "ac" });
});

it("makes a majority and a minority", () => {
  assert.equal(sees(halves(five), five), { a: "abc", b: "abc", c: "abc", d: "de", e: "de" });
});

it("leaves one host on the bridge between two halves", () => {
  assert.equal(sees(bridge(five), five), {
    a: five.join(""),
    b: "abc",
    c: "abc",
    d: "ade",
    e: "ade",
  });
});

it("gives every host of a ring a majority of its own", () => {
  const ring = sees(majoritiesRing(five), five);
  assert.equal(ring, { a: "abe", b: "abc", c: "bcd", d: "cde", e: "ade" });
  assert.equal(sees(majoritiesRing(["a", "b", "c"]), ["a", "b", "c"]), {
    a: "abc",
    b: "ab",
    c: "ac",
  });
});

it("cuts one way only, and no host from itself", () => {
  assert.equal(oneWay(["a", "b"], ["a", "b"]), [
    { from: "a", to: "b" },
    { from: "b", to: "a" },
  ]);
  assert.equal(oneWay(["a"], ["b"]), [{ from: "a", to: "b" }]);
});

it.run();
