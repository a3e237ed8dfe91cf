import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultTimings } from "../../../../src/consensus/lineage/coordinator-timings.ts";
import { type LocalFacts } from "../../../../src/consensus/lineage/coordinator-types.ts";
import { QuorumLoss } from "../../../../src/consensus/lineage/quorum-loss.ts";

const it = suite("lineage: since when no quorum is in sight");
const { quorumLossMs } = defaultTimings;

/** Whether it is still young so long after the leader was seen last. */
function isYoungAfter(ms: number, slowness: number): boolean {
  const loss = new QuorumLoss();
  loss.look(0, "leader");
  loss.look(1000, null);
  return loss.isYoung(1000 + ms, defaultTimings, { slowness } as LocalFacts);
}

it("waits for an ordinary election, on a slow machine as many times longer", () => {
  assert.ok(isYoungAfter(quorumLossMs - 1, 1));
  assert.not(isYoungAfter(quorumLossMs, 1));
  assert.ok(isYoungAfter(4 * quorumLossMs - 1, 4));
  assert.not(isYoungAfter(4 * quorumLossMs, 4));
});

it.run();
