/** SWIM §4.3: round-robin probing bounds the time until a failure is noticed. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { seededRandom } from "../../../../src/base/random.ts";
import { ProbeOrder } from "../../../../src/gossip/core/probe-order.ts";

const it = suite("gossip/probe-order");

const ten = Array.from({ length: 10 }, (_, ix) => ix);

function draw(order: ProbeOrder, count: number, from: readonly number[] = ten): number[] {
  return Array.from({ length: count }, () =>
    order.next(
      (ix) => from.includes(ix),
      () => from,
    ),
  );
}

it("§4.3 visits everybody once per round, in another order each time", () => {
  const order = new ProbeOrder(seededRandom(1));
  const first = draw(order, 10);
  const second = draw(order, 10);
  assert.equal([...first].sort(), ten);
  assert.equal([...second].sort(), ten);
  assert.is.not(first.join(), second.join());
});

it("§4.3 leaves nobody unprobed for longer than 2n − 1 periods", () => {
  const order = new ProbeOrder(seededRandom(2));
  const last = new Map(ten.map((ix) => [ix, 0]));
  for (let period = 1; period <= 1000; period += 1) {
    const ix = order.next(
      () => true,
      () => ten,
    );
    assert.ok(period - (last.get(ix) ?? 0) <= 19);
    last.set(ix, period);
  }
});

it("§4.3 probes a newcomer within the round it came in", () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const order = new ProbeOrder(seededRandom(seed));
    draw(order, 4);
    order.add(99);
    const rest = Array.from({ length: 7 }, () =>
      order.next(
        () => true,
        () => ten,
      ),
    );
    assert.ok(rest.includes(99), `seed ${seed}`);
  }
});

it("skips who is no candidate any more, and says when nobody is", () => {
  const order = new ProbeOrder(seededRandom(1));
  draw(order, 2);
  assert.is(
    order.next(
      (ix) => ix === 3,
      () => ten,
    ),
    3,
  );
  assert.is(
    order.next(
      () => false,
      () => ten,
    ),
    -1,
  );
  const empty = new ProbeOrder(seededRandom(1));
  assert.is(
    empty.next(
      () => true,
      () => [],
    ),
    -1,
  );
});

it.run();
