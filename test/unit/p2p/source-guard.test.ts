import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SourceGuard } from "../../../src/p2p/source-guard.ts";

const it = suite("p2p/source-guard");

/** A flood that sends another source with each datagram; returns how many were looked at. */
function flood(guard: SourceGuard, { from = 0, count = 0, now = 0 }): number {
  let heard = 0;
  for (let at = from; at < from + count; at += 1) {
    const address = `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}:1`;
    if (guard.hear(address, now) !== "heard") continue;
    heard += 1;
    guard.bad(address, now);
  }
  return heard;
}

it("cuts a source off that goes on sending what does not open, for a minute, and no other", () => {
  const guard = new SourceGuard({ sparesGenuine: false });
  let cuts = 0;
  for (let sent = 0; sent < 1000; sent += 1) if (guard.bad("10.0.0.1:1", 0)) cuts += 1;
  assert.is(cuts, 1);
  assert.is(guard.hear("10.0.0.1:1", 59_999), "cut");
  assert.is(guard.hear("10.0.0.1:2", 0), "heard");
  assert.is(guard.hear("10.0.0.1:1", 60_001), "heard");
  for (let at = 0; at < 600; at += 1) assert.not(guard.bad("10.0.0.3:1", at * 100));
});

it("looks at no more than 200 a second of a flood from ever new sources, after a burst", () => {
  const guard = new SourceGuard({ sparesGenuine: false });
  assert.is(flood(guard, { count: 10_000 }), 2000);
  for (let second = 1; second <= 10; second += 1) {
    assert.is(flood(guard, { from: 10_000 * second, count: 10_000, now: 1000 * second }), 200);
  }
});

it("hears members through such a flood, and everybody when it is over", () => {
  const guard = new SourceGuard({ sparesGenuine: false });
  guard.good("10.9.9.9:7700");
  flood(guard, { count: 5000 });
  assert.is(guard.hear("10.9.9.9:7700", 0), "heard");
  assert.is(guard.hear("10.8.8.8:7700", 0), "crowded");
  assert.is(guard.hear("10.8.8.8:7700", 10_000), "heard");
});

it("cuts off a member's address too, when the flood bears it", () => {
  const guard = new SourceGuard({ sparesGenuine: false });
  guard.good("10.9.9.9:7700");
  for (let sent = 0; sent < 200; sent += 1) guard.bad("10.9.9.9:7700", 0);
  assert.is(guard.hear("10.9.9.9:7700", 1), "cut");
});

it("spares where it may, and says so once a minute", () => {
  const guard = new SourceGuard({ sparesGenuine: true });
  guard.good("10.9.9.9");
  let said = 0;
  for (let sent = 0; sent < 1000; sent += 1) if (guard.bad("10.9.9.9", 0)) said += 1;
  assert.equal([said, guard.hear("10.9.9.9", 1)], [1, "heard"]);
});

it("forgets no source that is cut because others come", () => {
  const guard = new SourceGuard({ sparesGenuine: false });
  for (let sent = 0; sent < 200; sent += 1) guard.bad("10.9.9.9:1", 0);
  for (let second = 0; second < 50; second += 1) {
    flood(guard, { from: 1000 * second, count: 1000, now: 1000 * second });
  }
  assert.is(guard.hear("10.9.9.9:1", 50_000), "cut");
});

it("remembers a bounded number of everything", () => {
  const guard = new SourceGuard({ sparesGenuine: false });
  for (let at = 0; at < 1025; at += 1) guard.good(`10.0.${at >> 8}.${at & 255}:7700`);
  flood(guard, { count: 2000 });
  assert.is(guard.hear("10.0.0.0:7700", 0), "crowded", "the one that was quiet for longest");
  assert.is(guard.hear("10.0.0.1:7700", 0), "heard");
});

it.run();
