import { multiaddr } from "@multiformats/multiaddr";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentLogger } from "../../../src/base/logger.ts";
import {
  type Arrival,
  InboundDoor,
  strangeMax,
  strangeMs,
  underWayMax,
} from "../../../src/p2p/inbound-door.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("p2p/inbound-door");

class Doorway {
  readonly clock = new VirtualClock();
  readonly slowness = { factor: 1 };
  readonly aborted: Arrival[] = [];
  isOpen = true;
  readonly lines: { readonly from?: string; readonly count?: number; readonly text: string }[] = [];
  readonly door = new InboundDoor({
    slowness: this.slowness,
    isOpen: () => this.isOpen,
    clock: this.clock,
    logger: { ...silentLogger, warn: (data, text) => this.lines.push({ ...data, text }) },
  });

  /** Null: refused. */
  arrive(host: string): (Arrival & EventTarget) | null {
    const remoteAddr = multiaddr(`/${host.includes(":") ? "ip6" : "ip4"}/${host}/tcp/40000`);
    const abort = (): void => {
      this.aborted.push(arrival);
      arrival.dispatchEvent(new Event("close"));
    };
    const arrival = Object.assign(new EventTarget(), { remoteAddr, abort });
    return this.door.refuses(arrival) ? null : arrival;
  }

  /** So many that come and go. Returns how many were taken. */
  garbage(host: string, count: number): number {
    let taken = 0;
    for (let at = 0; at < count; at += 1) {
      const arrival = this.arrive(host);
      arrival?.dispatchEvent(new Event("close"));
      if (arrival !== null) taken += 1;
    }
    return taken;
  }
}

it("counts what comes in by what became of it", () => {
  const t = new Doorway();
  const opened = t.arrive("10.0.0.1");
  assert.ok(opened);
  t.door.opened(opened);
  opened.dispatchEvent(new Event("close"));
  t.garbage("10.0.0.2", 3);
  t.door.failed(multiaddr("/ip4/10.0.0.2/tcp/1"));
  assert.equal(t.door.counters(), { opened: 1, failed: 4, refused: 0 });
  assert.equal(t.lines, []);
});

it("does not hear an address for a minute from which too many come to nothing, and says so", async () => {
  const t = new Doorway();
  assert.is(t.garbage("10.0.0.2", 1000), 200);
  assert.is(t.arrive("10.0.0.2"), null);
  assert.ok(t.arrive("10.0.0.3"), "another address");
  assert.is(t.lines.length, 1);
  assert.equal([t.lines[0]?.from, t.lines[0]?.count], ["10.0.0.2", 1]);
  assert.match(t.lines[0]?.text ?? "", /refusing their source for a minute/);
  assert.is(t.door.counters().refused, 801);
  await t.clock.advance(60_001);
  assert.ok(t.arrive("10.0.0.2"));
});

it("refuses no address where a member was met, and still says what comes from there", () => {
  const t = new Doorway();
  t.door.met(multiaddr("/ip4/10.0.0.2/tcp/7700"));
  assert.is(t.garbage("10.0.0.2", 1000), 1000);
  assert.match(t.lines[0]?.text ?? "", /where members are: not refused/);
  assert.is(t.lines.length, 1);
});

it("bounds the handshakes that are under way with one address, but where members are", () => {
  const t = new Doorway();
  const waiting = Array.from({ length: underWayMax + 10 }, () => t.arrive("10.0.0.2"));
  assert.is(waiting.filter((one) => one !== null).length, underWayMax);
  assert.ok(t.arrive("10.0.0.3"), "another address");
  waiting[0]?.dispatchEvent(new Event("close"));
  assert.ok(t.arrive("10.0.0.2"), "a place is free again");
  t.door.met(multiaddr("/ip4/10.0.0.2/tcp/7700"));
  assert.ok(t.arrive("10.0.0.2"));
});

it("keeps places for members when many addresses hold theirs", () => {
  const t = new Doorway();
  t.door.met(multiaddr("/ip4/10.9.9.9/tcp/7700"));
  const held = Array.from({ length: 1000 }, (_, at) => t.arrive(`10.1.0.${at % 10}`));
  assert.is(held.filter((one) => one !== null).length, strangeMax);
  for (let at = 0; at < 200; at += 1) assert.ok(t.arrive("10.9.9.9"));
  assert.is(t.arrive("10.1.0.77"), null);
});

it("takes all addresses of an IPv6 network for one, and an IPv4 address in IPv6 for itself", async () => {
  const t = new Doorway();
  let taken = 0;
  for (let at = 1; at <= 300; at += 1) taken += t.garbage(`2001:db8:0:1::${at.toString(16)}`, 1);
  assert.is(taken, 200);
  assert.equal([t.lines[0]?.from], ["2001:db8:0:1"]);
  assert.ok(t.arrive("2001:db8:0:2::1"), "the network beside it");
  t.garbage("::ffff:10.0.0.9", 200);
  assert.is(t.arrive("10.0.0.9"), null);
  await t.clock.advance(60_001);
  assert.ok(t.arrive("2001:db8:0:1::1"));
});

it("does not hold it against anybody that there are too many like him", () => {
  const t = new Doorway();
  for (let at = 0; at < 1000; at += 1) {
    const arrival = t.arrive("10.0.0.2");
    assert.ok(arrival);
    t.door.turnedAway(arrival);
    arrival.dispatchEvent(new Event("close"));
  }
  assert.equal(t.door.counters(), { opened: 0, failed: 0, refused: 1000 });
});

it("says when newcomers are refused because of others, and spares a former member no more", () => {
  const t = new Doorway();
  const address = multiaddr("/ip4/10.0.0.2/tcp/7700");
  t.door.met(address);
  t.door.forget(address);
  assert.is(t.garbage("10.0.0.2", 1000), 200);
  for (let at = 0; at < 1000; at += 1) t.arrive(`10.1.0.${at % 10}`);
  assert.match(t.lines.at(-1)?.text ?? "", /also of newcomers/);
  assert.is(t.lines.length, 2);
});

it("hears members only while addresses beyond number send garbage", async () => {
  const t = new Doorway();
  t.door.met(multiaddr("/ip4/10.9.9.9/tcp/7700"));
  let taken = 0;
  for (let at = 0; at < 5000; at += 1) {
    taken += t.garbage(`10.1.${at >> 8}.${at & 255}`, 1);
  }
  assert.is(taken, 2000);
  assert.ok(t.arrive("10.9.9.9"));
  await t.clock.advance(10_000);
  assert.ok(t.arrive("10.1.200.1"));
});

it("hears nobody while the agent belongs to no cluster", () => {
  const t = new Doorway();
  t.isOpen = false;
  assert.is(t.arrive("10.0.0.1"), null);
  t.isOpen = true;
  assert.ok(t.arrive("10.0.0.1"));
  assert.is(t.door.counters().refused, 1);
});

it("gives a handshake from an unknown address less time than a member's, and more on a slow machine", async () => {
  const t = new Doorway();
  t.door.met(multiaddr("/ip4/10.0.0.1/tcp/1"));
  const [member, stranger, done] = [
    t.arrive("10.0.0.1"),
    t.arrive("10.0.0.2"),
    t.arrive("10.0.0.3"),
  ];
  assert.ok(member && stranger && done);
  t.door.opened(done);
  t.slowness.factor = 3;
  const late = t.arrive("10.0.0.4");
  await t.clock.advance(strangeMs - 1);
  assert.equal(t.aborted, []);
  await t.clock.advance(2);
  const expected = [stranger];
  assert.ok(t.aborted.every((one, at) => one === expected[at]));
  await t.clock.advance(2 * strangeMs);
  assert.ok(t.aborted.includes(late as Arrival), "in its own time");
  assert.is(t.door.counters().failed, 2);
});

it.run();
