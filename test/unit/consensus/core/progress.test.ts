import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Inflights } from "../../../../src/consensus/core/inflights.ts";
import { Progress } from "../../../../src/consensus/core/progress.ts";

const it = suite("consensus: progress");
const limits = { maxInflightMessages: 3, maxInflightBytes: 100 };
const electionTicks = 20;

function replicating(match: number): Progress {
  const progress = new Progress(match + 1, limits);
  progress.advance(match);
  progress.becomeReplicate();
  return progress;
}

it("probes with one append at a time", () => {
  const progress = new Progress(5, limits);
  assert.is(progress.isBlocked(), false);
  progress.sent(2, 20);
  assert.is(progress.isBlocked(), true);
  assert.is(progress.next, 5, "a probe does not count on success");
});

it("replicates optimistically until the window is full", () => {
  const progress = replicating(4);
  for (let i = 0; i < limits.maxInflightMessages; i += 1) progress.sent(1, 10);
  assert.is(progress.next, 8);
  assert.is(progress.isWindowFull(), true);
  progress.inflights.freeTo(5);
  assert.is(progress.isWindowFull(), false);
});

it("a window is full by bytes as well as by count", () => {
  const window = new Inflights(limits);
  window.add(1, 99);
  assert.is(window.isFull(), false);
  window.add(2, 1);
  assert.is(window.isFull(), true);
  window.freeTo(1);
  assert.equal([window.count, window.bytes], [1, 1]);
});

it("going back to probe starts behind what matched, or behind the snapshot that was sent", () => {
  const progress = replicating(4);
  progress.sent(3, 30);
  progress.becomeProbe();
  assert.is(progress.next, 5);
  progress.becomeSnapshot(9);
  assert.is(progress.isBlocked(), true);
  progress.becomeProbe();
  assert.is(progress.next, 10);
});

it("an acknowledgement moves match and next forward, never back", () => {
  const progress = new Progress(5, limits);
  assert.is(progress.advance(7), true);
  assert.equal([progress.match, progress.next], [7, 8]);
  assert.is(progress.advance(6), false);
  assert.equal([progress.match, progress.next], [7, 8]);
});

it("a refusal moves next back to what may match, and an old refusal does nothing", () => {
  const probing = new Progress(10, limits);
  assert.is(probing.backtrack(5, 2), false, "not about the append that is out");
  assert.is(probing.backtrack(9, 2), true);
  assert.is(probing.next, 3);
  const replicated = replicating(6);
  replicated.sent(2, 20);
  assert.is(replicated.backtrack(6, 0), false, "6 matched already");
  assert.is(replicated.backtrack(8, 0), true);
  assert.is(replicated.next, 7);
});

it("next stays above match whatever the hint says", () => {
  const progress = new Progress(10, limits);
  progress.advance(4);
  progress.next = 10;
  assert.is(progress.backtrack(9, 0), true);
  assert.is(progress.next, 5);
});

it("a follower that lost what it had acknowledged is sent it again", () => {
  const progress = replicating(20);
  assert.is(progress.regress(20, 5), false, "in a pipeline the refusal may be an old one");
  assert.is(progress.isDoubtful(20, 20), false, "nothing is lost");
  assert.is(progress.isDoubtful(21, 5), false, "not about what it had acknowledged");
  assert.is(progress.isDoubtful(20, 5), true);
  progress.becomeProbe();
  assert.is(progress.isDoubtful(20, 5), false, "it is asked already");
  assert.is(progress.regress(25, 5), false, "not about what it had acknowledged");
  assert.is(progress.regress(20, 20), false, "nothing is lost");
  assert.is(progress.regress(20, 5), true);
  assert.equal([progress.match, progress.next, progress.isBlocked()], [5, 6, false]);
});

it("a commit index is told once, and only when it says something new", () => {
  const progress = replicating(10);
  assert.is(progress.wantsCommit(5), true);
  progress.sentCommit = 5;
  assert.is(progress.wantsCommit(5), false);
  assert.is(progress.wantsCommit(7), true);
  progress.sentCommit = 10;
  assert.is(progress.wantsCommit(12), false, "beyond what it has, it helps nothing");
});

it("a follower has caught up when it reached its goal within an election timeout", () => {
  const progress = new Progress(1000, limits);
  progress.advance(900);
  progress.updateCaughtUp(1000, electionTicks);
  assert.is(progress.caughtUp, false, "the goal is the leader's last entry when it began");
  for (let i = 0; i < electionTicks; i += 1) progress.tick();
  progress.advance(1000);
  progress.updateCaughtUp(1100, electionTicks);
  assert.is(progress.caughtUp, false, "the round took too long");
  progress.advance(1100);
  progress.updateCaughtUp(1110, electionTicks);
  assert.is(progress.caughtUp, true);
});

it("a follower that fell far behind has not caught up any more", () => {
  const progress = new Progress(1, limits);
  progress.updateCaughtUp(0, electionTicks);
  assert.is(progress.caughtUp, true);
  progress.updateCaughtUp(10_000, electionTicks);
  assert.is(progress.caughtUp, false);
});

it("being idle for long does not cost a follower its standing", () => {
  const progress = new Progress(1, limits);
  progress.updateCaughtUp(0, electionTicks);
  for (let i = 0; i < 1000; i += 1) progress.tick();
  progress.advance(1);
  progress.updateCaughtUp(1, electionTicks);
  assert.is(progress.caughtUp, true);
});

it.run();
