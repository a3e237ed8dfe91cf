import { suite } from "uvu";
import * as assert from "uvu/assert";
import { IndexWaiters } from "../../../../src/consensus/driver/index-waiters.ts";
import { ReadBarriers } from "../../../../src/consensus/driver/read-barriers.ts";
import { ReadNumbers } from "../../../../src/consensus/driver/read-numbers.ts";
import { ConsensusError } from "../../../../src/consensus/errors.ts";
import { codeOf } from "../../../contract/log-store.ts";

const it = suite("read barriers");

function setUp() {
  const waiters = new IndexWaiters();
  const barriers = new ReadBarriers(waiters, new ReadNumbers(0));
  const asked: number[] = [];
  const answers: string[] = [];
  const read = (deadlineMs = 1000): void => {
    barriers.add(deadlineMs).then(
      (index) => answers.push(`read ${index}`),
      (error: unknown) => answers.push(codeOf(error)),
    );
  };
  const flush = (): void => barriers.flush((context) => void asked.push(context));
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { waiters, barriers, asked, answers, read, flush, settled };
}

it("ask once for all that came in one turn", async () => {
  const t = setUp();
  t.read();
  t.read();
  t.flush();
  t.flush();
  assert.equal(t.asked, [1]);
  t.barriers.answer({ context: 1, index: 9, ok: true }, 9);
  await t.settled();
  assert.equal(t.answers, ["read 9", "read 9"]);
});

it("are numbered so that no answer to an earlier life fits", () => {
  const numbers = [1, 1, 2, 2 ** 20 - 1].map((starts) => new ReadNumbers(starts));
  const asked = numbers.map((of) => {
    const barriers = new ReadBarriers(new IndexWaiters(), of);
    const contexts: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      barriers.add(1000).catch(() => undefined);
      barriers.flush((context) => void contexts.push(context));
    }
    return contexts;
  });
  assert.equal(asked[0], asked[1]);
  assert.is(new Set(asked.flat()).size, 9);
  assert.ok(asked.flat().every(Number.isSafeInteger));
});

it("do not let a read join a round that began before it", async () => {
  const t = setUp();
  t.read();
  t.flush();
  t.read();
  t.flush();
  assert.equal(t.asked, [1, 2]);
  t.barriers.answer({ context: 1, index: 3, ok: true }, 9);
  await t.settled();
  assert.equal(t.answers, ["read 3"]);
});

it("wait until the index is applied here", async () => {
  const t = setUp();
  t.read();
  t.flush();
  t.barriers.answer({ context: 1, index: 9, ok: true }, 8);
  t.waiters.reached(8);
  await t.settled();
  assert.equal(t.answers, []);
  t.waiters.reached(9);
  await t.settled();
  assert.equal(t.answers, ["read 9"]);
});

it("ask again with the next tick when a round failed, until the deadline", async () => {
  const t = setUp();
  t.read(100);
  t.flush();
  t.barriers.answer({ context: 1, index: 0, ok: false }, 0);
  t.flush();
  assert.equal(t.asked, [1]);
  t.barriers.tick(50);
  t.flush();
  assert.equal(t.asked, [1, 2]);
  t.barriers.tick(100);
  await t.settled();
  assert.equal(t.answers, ["NO_LEADER"]);
  t.barriers.answer({ context: 2, index: 5, ok: true }, 5);
  await t.settled();
  assert.is(t.answers.length, 1);
});

it("say NO_LEADER, too, when the replica did not catch up in time", async () => {
  const t = setUp();
  t.read(100);
  t.flush();
  t.barriers.answer({ context: 1, index: 9, ok: true }, 8);
  t.waiters.expire(100, () => new ConsensusError("APPLY_TIMEOUT", "late"));
  await t.settled();
  assert.equal(t.answers, ["NO_LEADER"]);
});

it("are all settled at the end", async () => {
  const t = setUp();
  t.read();
  t.flush();
  t.read();
  t.barriers.rejectAll(new ConsensusError("STOPPED", "over"));
  await t.settled();
  assert.equal(t.answers, ["STOPPED", "STOPPED"]);
});

it("keep waiters in order of their indexes", async () => {
  const { waiters } = setUp();
  const seen: number[] = [];
  for (const index of [5, 3, 9, 4, 5]) {
    const resolve = (): void => void seen.push(index);
    waiters.add({ index, deadlineMs: 1, resolve, reject: () => {} });
  }
  waiters.reached(4);
  assert.equal(seen, [3, 4]);
  waiters.reached(100);
  assert.equal(seen, [3, 4, 5, 5, 9]);
});

it.run();
