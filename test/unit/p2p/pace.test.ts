import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Pace } from "../../../src/p2p/pace.ts";

const it = suite("p2p pace");
const mib = 1024 * 1024;

it("lets through so many bytes a second, whatever their pieces", () => {
  for (const piece of [mib / 4, mib, 3 * mib]) {
    let now = 500;
    const pace = new Pace({ monotonicMs: () => now }, 16 * mib);
    for (let sent = 0; sent < 48 * mib; sent += piece) now += pace.take(piece);
    assert.is(Math.round(now), 3500);
  }
});

it("makes up for what was slow, but not for more than a second of it", () => {
  let now = 0;
  const pace = new Pace({ monotonicMs: () => now }, 1000);
  now = 400;
  assert.is(pace.take(400), 0, "400 ms went by for nothing");
  assert.is(pace.take(100), 100);
  now = 60_000;
  assert.is(pace.take(1000), 0);
  assert.is(pace.take(250), 250, "a minute's bytes at once would be no rate");
});

it.run();
