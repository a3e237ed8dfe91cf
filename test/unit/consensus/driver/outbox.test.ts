import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EntryType, type Message } from "../../../../src/consensus/core/types.ts";
import { Outbox } from "../../../../src/consensus/driver/outbox.ts";
import { type RaftTransport } from "../../../../src/consensus/driver/ports.ts";

const it = suite("outbox");

const from = "a";
const base = { from, term: 1, prevTerm: 1, leaderLast: 9 };

function entries(to: string, commit: number): Message {
  const entry = { index: 8, term: 1, type: EntryType.command, data: new Uint8Array(1) };
  return { type: "Append", to, prevIndex: 7, entries: [entry], commit, ...base };
}

function news(to: string, commit: number): Message {
  return { type: "Append", to, prevIndex: 8, entries: [], commit, ...base };
}

function heartbeat(to: string): Message {
  return { type: "Heartbeat", from, to, term: 1, commit: 1, leaderLast: 9, round: 1 };
}

function setUp() {
  const sent: Message[] = [];
  const outbox = new Outbox({
    send: (_to: string, messages: readonly Message[]) => sent.push(...messages) > 0,
  } as Pick<RaftTransport, "send"> as RaftTransport);
  const flush = (): readonly Message[] => {
    outbox.flush(() => {});
    return sent.splice(0);
  };
  return { outbox, flush };
}

it("tells no news to whom it tells to stand", () => {
  const { outbox, flush } = setUp();
  const stand: Message = { type: "TimeoutNow", from, to: "b", term: 1 };
  outbox.add(news("b", 8), 10);
  outbox.add(news("c", 8), 10);
  outbox.add(stand, 10);
  outbox.release();
  assert.equal(flush(), [stand, news("c", 8)]);
});

it("sends entries at once and holds news of the commit index", () => {
  const { outbox, flush } = setUp();
  outbox.add(entries("b", 7), 10);
  outbox.add(news("c", 8), 11);
  outbox.add(heartbeat("c"), 12);
  assert.equal(flush(), [entries("b", 7), heartbeat("c")]);
  assert.is(outbox.heldSinceMs, 11);
  outbox.release();
  assert.equal(flush(), [news("c", 8)]);
  assert.is(outbox.heldSinceMs, null);
});

it("drops news that newer ones or entries overtook", () => {
  const { outbox, flush } = setUp();
  outbox.add(news("b", 6), 1);
  outbox.add(news("b", 7), 2);
  outbox.add(news("c", 7), 3);
  outbox.add(entries("c", 8), 4);
  assert.equal(flush(), [entries("c", 8)]);
  outbox.release();
  assert.equal(flush(), [news("b", 7)]);
});

it("holds no news from a peer that must hear of an index, until it was told", () => {
  const { outbox, flush } = setUp();
  outbox.add(news("b", 8), 1);
  outbox.hasten(8);
  assert.equal(flush(), [news("b", 8)], "what was held already leaves");
  outbox.add(news("c", 8), 2);
  assert.equal(flush(), [news("c", 8)], "news that come later leave at once");
  outbox.add(news("c", 9), 3);
  assert.equal(flush(), [], "and the next ones wait again");
});

it("forgets everything when it is cleared", () => {
  const { outbox, flush } = setUp();
  outbox.add(news("b", 8), 1);
  outbox.add(entries("c", 8), 1);
  outbox.clear();
  outbox.release();
  assert.equal(flush(), []);
});

it.run();
