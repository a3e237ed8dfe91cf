import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LoneCore } from "./lone-core.ts";

const it = suite("gossip/gossiper");

/** Frames that carry gossip, not probes or answers, with their time. */
function rounds(lone: LoneCore, ms: number): { at: number; to: number }[] {
  const seen: { at: number; to: number }[] = [];
  lone.advance(ms, (to, frame) => {
    lone.answering()(to, frame);
    const [first] = frame;
    if (first?.kind === "alive" || first?.kind === "failed") seen.push({ at: lone.now, to });
  });
  return seen;
}

it("passes news on at once after a quiet time, to three peers", () => {
  const lone = new LoneCore({ members: 15 });
  lone.advance(1000, lone.answering());
  lone.frames.splice(0);
  lone.hear(1, { kind: "alive", record: lone.recordOf(1, { incarnation: 101 }) });
  assert.is(new Set(lone.frames.map(({ to }) => to)).size, 3);
});

it("sends at most three frames per interval, however much there is to say", () => {
  const lone = new LoneCore({ members: 15 });
  lone.advance(1000, lone.answering());
  const seen: number[] = [];
  for (let step = 0; step < 100; step += 1) {
    const record = lone.recordOf(1 + (step % 15), { incarnation: 101 + step });
    lone.hear(2, { kind: "alive", record });
    seen.push(...rounds(lone, 10).map(({ at }) => at));
  }
  assert.ok(seen.length <= 3 * 6, `${seen.length} frames in a second`);
});

it("falls silent when every rumour was sent as often as allowed", () => {
  const lone = new LoneCore({ members: 15 });
  lone.hear(1, { kind: "alive", record: lone.recordOf(1, { incarnation: 101 }) });
  lone.advance(5000, lone.answering());
  assert.is(lone.core.health().queue, 0);
  assert.equal(rounds(lone, 5000), []);
});

it("goes on telling a member that failed a moment ago, so that it can refute", () => {
  const lone = new LoneCore({ members: 15 });
  lone.accuse("failed", 3, 2);
  let told = 0;
  for (let second = 0; second < 29; second += 1) {
    const record = lone.recordOf(4, { incarnation: 101 + second });
    lone.hear(2, { kind: "alive", record });
    told += rounds(lone, 1000).filter(({ to }) => to === 3).length;
  }
  assert.ok(told > 3, `${told} frames`);
});

it("says the same in fewer frames on a slow host, in at least a third of them", () => {
  const roundsIn = (factor: number): number => {
    const lone = new LoneCore({ members: 15 });
    lone.give({ kind: "slowness", factor });
    lone.advance(1000, lone.answering());
    const seen = new Set<number>();
    for (let step = 0; step < 120; step += 1) {
      const record = lone.recordOf(1 + (step % 15), { incarnation: 101 + step });
      lone.hear(2, { kind: "alive", record });
      for (const { at } of rounds(lone, 50)) seen.add(at);
    }
    return seen.size;
  };
  const [usual, slow, slowest] = [roundsIn(1), roundsIn(2), roundsIn(8)];
  assert.ok(usual >= 28 && usual <= 31, `${usual} rounds in 6 s`);
  assert.ok(slow >= 14 && slow <= 16, `${slow} at half the pace`);
  assert.ok(slowest >= 9 && slowest <= 11, `${slowest} at the slowest`);
});

it.run();
