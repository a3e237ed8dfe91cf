import { suite } from "uvu";
import * as assert from "uvu/assert";
import { seededRandom } from "../../../../src/base/random.ts";
import { RingOrder } from "../../../../src/gossip/core/ring-order.ts";

const it = suite("gossip/ring-order");
const everybody = (): boolean => true;

it("goes round in both directions", () => {
  const ring = new RingOrder();
  for (const [ix, place] of [30, 10, 20].entries()) ring.add(ix, place);
  assert.is(ring.next(15, 1, everybody), 2);
  assert.is(ring.next(15, -1, everybody), 1);
  assert.is(ring.next(31, 1, everybody), 1);
  assert.is(ring.next(5, -1, everybody), 0);
  assert.is(
    ring.next(15, 1, (ix) => ix === 1),
    1,
  );
  assert.is(
    ring.next(15, 1, () => false),
    -1,
  );
  assert.is(new RingOrder().next(1, -1, everybody), -1);
});

it("finds what a search through all members finds, also where several have one place", () => {
  const random = seededRandom(3);
  const ring = new RingOrder();
  const places = Array.from({ length: 500 }, () => 1000 * random.below(200));
  for (const [ix, place] of places.entries()) ring.add(ix, place);
  for (let round = 0; round < 500; round += 1) {
    const from = random.below(200_000);
    const up = new Set([...places.keys()].filter(() => random.float() < 0.1));
    const ahead = (ix: number): number => ((places[ix] ?? 0) - from) >>> 0;
    let nearest = -1;
    let farthest = -1;
    for (const ix of up) {
      if (nearest < 0 || ahead(ix) < ahead(nearest)) nearest = ix;
      if (farthest < 0 || ahead(ix) > ahead(farthest)) farthest = ix;
    }
    const isUp = (ix: number): boolean => up.has(ix);
    assert.is(ring.next(from, 1, isUp), nearest);
    assert.is(ring.next(from, -1, isUp), farthest);
  }
});

it.run();
