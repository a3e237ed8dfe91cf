/** Lifeguard (arXiv 1707.00788) §IV-B, and the schedule that memberlist's formulas give. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  expectedConfirmations,
  suspicionBounds,
  suspicionMinMs,
  suspicionTimeoutMs,
  syncScale,
  transmitLimit,
} from "../../../../src/gossip/core/suspicion.ts";
import { lanOptions, wanOptions } from "../../../../src/gossip/options.ts";

const it = suite("gossip/suspicion");

/** N; shortest and longest suspicion on a LAN and on a WAN in s; transmissions; calm sync period in s. */
const schedule = [
  [10, 4, 24, 30, 180, 8, 30],
  [128, 8.4, 50.6, 63.2, 379.3, 12, 90],
  [1000, 12, 72, 90, 540, 16, 180],
  [3000, 13.9, 83.5, 104.3, 625.9, 16, 240],
  [5000, 14.8, 88.8, 111, 665.8, 16, 270],
  [10_000, 16, 96, 120, 720, 20, 300],
] as const;

for (const [nodes, lanMin, lanMax, wanMin, wanMax, transmits, period] of schedule) {
  it(`gives the schedule of ${nodes} members`, () => {
    const lan = suspicionBounds(lanOptions, nodes);
    const wan = suspicionBounds(wanOptions, nodes);
    const seconds = [lan.minMs, lan.maxMs, wan.minMs, wan.maxMs].map((ms) => ms / 1000);
    [lanMin, lanMax, wanMin, wanMax].forEach((expected, at) => {
      assert.ok(Math.abs((seconds[at] ?? 0) - expected) < 0.1, `${seconds[at]} for ${expected}`);
    });
    assert.is(transmitLimit(lanOptions.retransmitMult, nodes), transmits);
    assert.is((syncScale(nodes) * lanOptions.syncMaxMs) / 1000, period);
  });
}

it("§IV-B falls from the maximum to the minimum with the logarithm of the confirmations", () => {
  const bounds = { minMs: 2000, maxMs: 30_000, expected: 3 };
  const timeouts = [0, 1, 2, 3, 4].map((confirmed) => suspicionTimeoutMs(bounds, confirmed));
  // The values of memberlist's own test of this formula (k=3, 2 s to 30 s).
  assert.equal(timeouts, [30_000, 16_000, 7810, 2000, 2000]);
});

it("§IV-B never gives less than the minimum, and starts there when nobody can confirm", () => {
  assert.is(suspicionTimeoutMs({ minMs: 4000, maxMs: 24_000, expected: 0 }, 0), 4000);
  assert.is(expectedConfirmations(lanOptions, 3), 0);
  assert.is(expectedConfirmations(lanOptions, 4), 2);
});

it("is a fixed timeout without LHA-Suspicion", () => {
  const lifeguard = { ...lanOptions.lifeguard, suspicion: false };
  const bounds = suspicionBounds({ ...lanOptions, lifeguard }, 128);
  assert.is(bounds.maxMs, bounds.minMs);
});

it("does not shrink below ten members, where the logarithm would", () => {
  assert.is(suspicionMinMs(lanOptions, 1), 4000);
  assert.is(suspicionMinMs(lanOptions, 10), 4000);
});

it.run();
