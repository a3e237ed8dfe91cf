import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId } from "../../../../src/base/ids.ts";
import { InboundGuard, RateLimit } from "../../../../src/gossip/driver/inbound-guard.ts";

const it = suite("gossip/inbound-guard");
const peer = asPeerId("noisy");

function count(guard: InboundGuard, frames: number, now: number, from = peer): string {
  const seen = { pass: 0, drop: 0, cut: 0 };
  for (let frame = 0; frame < frames; frame += 1) seen[guard.frame(from, now)] += 1;
  return `${seen.pass} passed, ${seen.drop} dropped, ${seen.cut} cut`;
}

it("lets a burst of 400 frames pass, and 200 per second after it", () => {
  const guard = new InboundGuard({ cuts: true });
  assert.is(count(guard, 500, 0), "400 passed, 100 dropped, 0 cut");
  assert.is(count(guard, 500, 1000), "200 passed, 300 dropped, 0 cut");
});

it("stops to listen to a peer that goes on far beyond its budget, for a minute", () => {
  const guard = new InboundGuard({ cuts: true });
  assert.is(count(guard, 3000, 0), "400 passed, 2599 dropped, 1 cut");
  assert.is(count(guard, 10, 59_000), "0 passed, 10 dropped, 0 cut");
  assert.is(count(guard, 10, 60_001), "10 passed, 0 dropped, 0 cut");
});

it("drops what is beyond the budget and cuts nobody where it is not sure who it was", () => {
  const guard = new InboundGuard({ cuts: false });
  assert.is(count(guard, 5000, 0), "400 passed, 4600 dropped, 0 cut");
  assert.is(count(guard, 500, 1000), "200 passed, 300 dropped, 0 cut");
});

it("forgives a peer that kept within its budget in between", () => {
  const guard = new InboundGuard({ cuts: true });
  for (let round = 0; round < 20; round += 1) {
    assert.is(count(guard, 1400, round * 10_000), "400 passed, 1000 dropped, 0 cut");
  }
});

it("charges a malformed frame like twenty", () => {
  const guard = new InboundGuard({ cuts: true });
  for (let bad = 0; bad < 10; bad += 1) guard.badFrame(peer, 0);
  assert.is(count(guard, 400, 0), "200 passed, 200 dropped, 0 cut");
});

it("keeps one peer's noise from costing another its voice", () => {
  const guard = new InboundGuard({ cuts: true });
  count(guard, 5000, 0);
  assert.is(count(guard, 100, 0, asPeerId("calm")), "100 passed, 0 dropped, 0 cut");
});

it("logs once per period, with the number of events it stands for", () => {
  const limit = new RateLimit({ periodMs: 1000 });
  assert.equal(
    [0, 1, 2, 999].map((now) => limit.take(now)),
    [1, 0, 0, 0],
  );
  assert.is(limit.take(1000), 4);
});

it.run();
