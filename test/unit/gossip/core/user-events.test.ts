/** User events: each once, in the order of a Lamport clock, within limits, also through syncs and restarts. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId } from "../../../../src/base/ids.ts";
import { type EventBody, type SignedEvent } from "../../../../src/gossip/core/types.ts";
import { eventRing, syncEventsMax } from "../../../../src/gossip/core/user-events.ts";
import { checkEventContent } from "../../../../src/gossip/wire/event-codec.ts";
import { LoneCore, sealEvent } from "./lone-core.ts";

const it = suite("gossip/user-events");
const payload = new Uint8Array(0);

function event(ltime: number, origin = "m1", name = `event-${ltime}`): SignedEvent {
  return sealEvent({ ltime, origin: asPeerId(origin), name, payload });
}

function hear(lone: LoneCore, from: number, ...events: readonly SignedEvent[]): void {
  for (const each of events) lone.hear(from, { kind: "event", event: each });
}

function names(told: readonly EventBody[]): string[] {
  return told.map(({ name, ltime }) => `${name}@${ltime}`);
}

it("tells an event to itself and to others, with the next Lamport time", () => {
  const lone = new LoneCore();
  hear(lone, 1, event(41));
  lone.give({ kind: "tell", name: "mine", payload: Uint8Array.of(1) });
  assert.equal(names(lone.told), ["event-41@41", "mine@42"]);
  assert.is(lone.core.eventClock, 42);
  lone.advance(1000, lone.answering());
  lone.give({ kind: "tell", name: "again", payload });
  assert.ok(lone.sent("event").some(({ message }) => message.event.body.name === "again"));
});

it("delivers each event once, from whomever it comes, and passes it on", () => {
  const lone = new LoneCore();
  for (const from of [1, 2, 3]) hear(lone, from, event(7));
  assert.equal(names(lone.told), ["event-7@7"]);
  assert.is(lone.core.counters.get("eventsRepeated"), 2);
  assert.ok(lone.core.health().queue > 0);
});

it("keeps several events of one Lamport time apart", () => {
  const lone = new LoneCore();
  hear(lone, 1, event(7, "m1", "a"), event(7, "m2", "a"), event(7, "m1", "b"), event(7, "m1", "a"));
  assert.is(lone.told.length, 3);
});

it("sends an event at most as often as a rumour, and never starts again (consul #8179)", () => {
  const lone = new LoneCore({ members: 5 });
  hear(lone, 1, event(7));
  let sent = 0;
  for (let round = 0; round < 600; round += 1) {
    lone.advance(100, (to, frame) => {
      sent += frame.filter(({ kind }) => kind === "event").length;
      lone.answering()(to, frame);
    });
    if (round % 5 === 0) hear(lone, 2, event(7));
  }
  const limit = 4 * Math.ceil(Math.log10(6 + 1));
  assert.is(sent, limit);
});

it("drops what is older than its ring, also when it comes again", () => {
  const lone = new LoneCore();
  hear(lone, 1, event(5), event(eventRing + 5), event(5), event(4));
  assert.equal(names(lone.told), ["event-5@5", `event-${eventRing + 5}@${eventRing + 5}`]);
  assert.is(lone.core.counters.get("eventsOld"), 2);
});

it("refuses forged, foreign and absurd events", () => {
  const lone = new LoneCore({ mayJoin: () => false });
  lone.give({ kind: "evict", member: 3 });
  const forged = { ...event(3), signature: new Uint8Array(64) };
  hear(lone, 1, forged, event(3, "stranger"), event(3, "m3"), event(2 ** 40));
  assert.equal(names(lone.told), []);
  assert.is(lone.core.eventClock, 0);
  assert.is(lone.core.counters.get("badSignature"), 1);
  assert.is(lone.core.counters.get("eventsRefused"), 3);
});

it("does not charge an origin for what is forged in its name", () => {
  const lone = new LoneCore();
  for (let at = 0; at < 500; at += 1) {
    hear(lone, 1, { ...event(1, "m2", `x${at}`), signature: new Uint8Array(64) });
  }
  hear(lone, 1, event(1, "m2"));
  assert.equal(names(lone.told), ["event-1@1"]);
});

it("limits what one origin tells, itself included, and not the others for it", () => {
  const lone = new LoneCore();
  for (let ltime = 1; ltime <= 300; ltime += 1) hear(lone, 2, event(ltime));
  const flood = lone.told.length;
  assert.ok(flood >= 64 && flood <= 70, `${flood} of 300`);
  hear(lone, 2, event(400, "m4"));
  assert.is(lone.told.length, flood + 1);
  for (let told = 0; told < 300; told += 1) lone.give({ kind: "tell", name: "x", payload });
  assert.ok(lone.told.length <= flood + 1 + 70);
  assert.ok(lone.core.health().queue <= 512);
});

/** Lets `lone` compare with `other` (as m1) to the end of the exchange. */
function sync(lone: LoneCore, other: LoneCore): void {
  lone.give({ kind: "contact", peers: [1] });
  lone.advance(60_000, (to, frame) => {
    lone.answering()(to, frame);
    for (const { to: peer, request } of lone.syncs.splice(0)) {
      const answer = other.answer(2, request);
      lone.give({ kind: "syncAnswer", from: peer, answer });
    }
  });
}

it("gets by a sync what it missed, and gives what the other missed", () => {
  const lone = new LoneCore();
  const other = new LoneCore();
  sync(lone, other);
  hear(lone, 3, event(1, "m3"), event(2, "m3"));
  hear(other, 3, event(1, "m3"), event(3, "m3"));
  sync(lone, other);
  assert.equal(names(lone.told).sort(), ["event-1@1", "event-2@2", "event-3@3"]);
  assert.equal(names(other.told).sort(), ["event-1@1", "event-2@2", "event-3@3"]);
  const before = lone.core.counters.get("syncsDiffered");
  sync(lone, other);
  assert.is(lone.core.counters.get("syncsDiffered"), before);
});

it("does not tell a newcomer what was before, but all that comes later", () => {
  const newcomer = new LoneCore();
  const other = new LoneCore();
  hear(other, 3, event(1, "m3"), event(2, "m3"));
  sync(newcomer, other);
  assert.equal(names(newcomer.told), []);
  assert.is(newcomer.core.eventClock, 2);
  hear(newcomer, 3, event(3, "m3"));
  assert.equal(names(newcomer.told), ["event-3@3"]);
});

it("does not deliver again after a restart what its clock says was delivered", () => {
  const lone = new LoneCore({ eventClock: 10 });
  hear(lone, 3, event(10, "m3"), event(9, "m3"), event(11, "m3"));
  assert.equal(names(lone.told), ["event-11@11"]);
});

it("carries only the newest events in a sync", () => {
  const lone = new LoneCore({ members: 60 });
  for (let ltime = 1; ltime <= 60; ltime += 1) hear(lone, 1, event(ltime, `m${ltime}`));
  const hash = lone.core.table.viewHash();
  const record = lone.recordOf(1);
  const request = { kind: "compare", hash, events: { clock: 0, hash: 0 }, record } as const;
  const answer = lone.answer(1, request);
  assert.is(answer.kind, "events");
  if (answer.kind !== "events") return;
  assert.is(answer.told.events.length, syncEventsMax);
  assert.is(Math.min(...answer.told.events.map(({ body }) => body.ltime)), 60 - syncEventsMax + 1);
});

it("takes 512 bytes of name and payload, and no more", () => {
  checkEventContent("n".repeat(64), new Uint8Array(448));
  const refused: readonly (readonly [string, number])[] = [
    ["n".repeat(64), 449],
    ["n".repeat(65), 0],
    ["", 0],
    ["line\nbreak", 0],
  ];
  for (const [name, bytes] of refused) {
    assert.throws(() => checkEventContent(name, new Uint8Array(bytes)), /Cannot tell/);
  }
});

it.run();
