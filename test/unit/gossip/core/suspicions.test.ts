import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Suspicions } from "../../../../src/gossip/core/suspicions.ts";

const it = suite("gossip/suspicions");

const bounds = { minMs: 4000, maxMs: 24_000, expected: 2 };

function running(refusedNeeded = 2): Suspicions {
  const suspicions = new Suspicions({ refusedFailMs: 1000 });
  suspicions.start(10_000, { member: 7, from: 1, bounds, refusedNeeded });
  return suspicions;
}

it("ends at the maximum when nobody confirms", () => {
  const suspicions = running();
  assert.is(suspicions.nextDeadline, 34_000);
  assert.equal(suspicions.due(33_999), []);
  assert.equal(suspicions.due(34_000), [7]);
});

it("ends at the minimum once K others have confirmed", () => {
  const suspicions = running();
  assert.ok(suspicions.confirm(7, 2));
  assert.ok(suspicions.nextDeadline < 34_000);
  assert.ok(suspicions.confirm(7, 3));
  assert.is(suspicions.nextDeadline, 14_000);
});

it("counts each accuser once, and the first one not at all", () => {
  const suspicions = running();
  assert.not(suspicions.confirm(7, 1));
  assert.ok(suspicions.confirm(7, 2));
  assert.not(suspicions.confirm(7, 2));
  assert.ok(suspicions.nextDeadline > 14_000);
});

it("spreads no more confirmations than it waits for", () => {
  const suspicions = running();
  assert.ok(suspicions.confirm(7, 2));
  assert.ok(suspicions.confirm(7, 3));
  assert.not(suspicions.confirm(7, 4));
});

it("ends a second after the first of two refused re-dials", () => {
  const suspicions = running();
  assert.ok(suspicions.refused(10_000, 7, 1));
  assert.is(suspicions.nextDeadline, 34_000);
  assert.ok(suspicions.refused(10_200, 7, 2));
  assert.is(suspicions.nextDeadline, 11_000);
});

it("does not count one observer of a refused re-dial twice", () => {
  const suspicions = running();
  suspicions.refused(10_000, 7, 1);
  assert.not(suspicions.refused(10_100, 7, 1));
  assert.is(suspicions.nextDeadline, 34_000);
});

it("believes one observer when there is no other left", () => {
  const suspicions = running(1);
  suspicions.refused(10_000, 7, 1);
  assert.is(suspicions.nextDeadline, 11_000);
});

it("gives one who returns within the second its second, even late in the suspicion", () => {
  const suspicions = running();
  suspicions.refused(20_000, 7, 1);
  suspicions.refused(20_100, 7, 2);
  assert.is(suspicions.nextDeadline, 21_000);
});

it("forgets a cancelled suspicion", () => {
  const suspicions = running();
  suspicions.cancel(7);
  assert.is(suspicions.nextDeadline, Infinity);
  assert.equal(suspicions.due(1e9), []);
  assert.not(suspicions.confirm(7, 2));
});

it("gives a postponed suspicion its time", () => {
  const suspicions = running();
  assert.equal(suspicions.due(34_000), [7]);
  suspicions.postpone(7, 35_000);
  assert.equal(suspicions.due(34_500), []);
  assert.equal(suspicions.due(35_000), [7]);
});

it.run();
