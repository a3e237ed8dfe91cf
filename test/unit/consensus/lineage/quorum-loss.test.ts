import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultTimings } from "../../../../src/consensus/lineage/coordinator-timings.ts";
import { type LocalFacts } from "../../../../src/consensus/lineage/coordinator-types.ts";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { QuorumLoss } from "../../../../src/consensus/lineage/quorum-loss.ts";

const it = suite("lineage: since when no quorum is in sight");
const { quorumLossMs } = defaultTimings;

const coldMs = 20_000;

function factsAt(slowness: number, members = 3): LocalFacts {
  const admitted = Array.from({ length: members }, (_, n) => `n${n}`);
  const settings = { timers: { silenceMs: 6000, coldMs } };
  const configuration = simpleConfiguration(["n0", "n1", "n2"]);
  return { slowness, admitted, configuration, settings } as unknown as LocalFacts;
}

function lost(): QuorumLoss {
  const loss = new QuorumLoss();
  loss.look(0, "leader");
  loss.look(1000, null);
  return loss;
}

/** Whether it is still young so long after the leader was seen last. */
function isYoungAfter(ms: number, slowness: number): boolean {
  return lost().isYoung(1000 + ms, defaultTimings, factsAt(slowness));
}

it("waits for an ordinary election, on a slow machine as many times longer", () => {
  assert.ok(isYoungAfter(quorumLossMs - 1, 1));
  assert.not(isYoungAfter(quorumLossMs, 1));
  assert.ok(isYoungAfter(4 * quorumLossMs - 1, 4));
  assert.not(isYoungAfter(4 * quorumLossMs, 4));
});

it("waits no longer than the cluster waits for who was off, however slow the machine is", () => {
  assert.ok(isYoungAfter(coldMs - 1, 8));
  assert.not(isYoungAfter(coldMs, 8));
  const starting = new QuorumLoss();
  starting.look(0, null);
  const many = factsAt(8, 1000);
  assert.ok(starting.isYoung(coldMs - 1, defaultTimings, many));
  assert.not(starting.isYoung(coldMs, defaultTimings, many));
});

it("does not begin to wait again when the machine becomes slower, but after a leader or a change", () => {
  const loss = lost();
  const now = 1000 + quorumLossMs;
  assert.not(loss.isYoung(now, defaultTimings, factsAt(1)));
  assert.not(loss.isYoung(now, defaultTimings, factsAt(6)));
  loss.look(now + 1, "leader");
  loss.look(now + 2, null);
  assert.ok(loss.isYoung(now + 2 + quorumLossMs, defaultTimings, factsAt(6)));
  assert.not(loss.isYoung(now + 2 + quorumLossMs, defaultTimings, factsAt(1)));
  loss.restart(now + 9000);
  assert.ok(loss.isYoung(now + 9001, defaultTimings, factsAt(1)));
});

it.run();
