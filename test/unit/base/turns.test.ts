import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Turns } from "../../../src/base/turns.ts";

const it = suite("turns");

it("runs so many at once, and the next in order when one ends, however it ends", async () => {
  const turns = new Turns(2);
  const begun: number[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const all = [0, 1, 2, 3].map((n) =>
    turns.run(() => {
      begun.push(n);
      ends[n] = Promise.withResolvers<void>();
      return ends[n].promise;
    }),
  );
  const outcomes = Promise.allSettled(all);
  assert.equal(begun, [0, 1]);
  ends[1]?.reject(new Error("failed"));
  await all[1]?.catch(() => undefined);
  assert.equal(begun, [0, 1, 2]);
  ends[0]?.resolve();
  await all[0];
  assert.equal(begun, [0, 1, 2, 3]);
  ends[2]?.resolve();
  ends[3]?.resolve();
  assert.is((await outcomes).filter(({ status }) => status === "fulfilled").length, 3);
  let late = 0;
  void turns.run(async () => void (late += 1));
  void turns.run(async () => void (late += 1));
  assert.is(late, 2, "both places are free again");
});

it.run();
