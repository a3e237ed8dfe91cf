/** What waits for the core after a stall: bounded, and proofs of life first. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Input, type Message } from "../../../../src/gossip/core/types.ts";
import { Mailbox } from "../../../../src/gossip/driver/mailbox.ts";

const it = suite("gossip/mailbox");
const lane = "stream";

function frame(from: number, ...messages: readonly Message[]): Input {
  return { kind: "frame", from, frame: messages, lane };
}
const ack = { kind: "ack", seq: 1 } as const;
const accusation = { kind: "failed", member: 1, incarnation: 1, from: 2, refused: false } as const;

it("hands out acks before accusations, and what is no frame first", () => {
  const mailbox = new Mailbox();
  mailbox.put(frame(1, accusation));
  mailbox.put(frame(2, ack));
  mailbox.put({ kind: "leave" });
  mailbox.put(frame(3, accusation));
  const order = mailbox.takeAll().map((input) => (input.kind === "frame" ? input.from : -1));
  assert.equal(order, [-1, 2, 1, 3]);
  assert.ok(mailbox.isEmpty);
});

it("drops the oldest frames that prove no life when too many wait, and no other input", () => {
  const mailbox = new Mailbox();
  mailbox.put({ kind: "leave" });
  let dropped = 0;
  for (let from = 0; from < 600; from += 1) if (mailbox.put(frame(from, ack))) dropped += 1;
  for (let from = 0; from < 600; from += 1) if (mailbox.put(frame(from, accusation))) dropped += 1;
  assert.is(dropped, 1200 - 1024);
  const left = mailbox.takeAll();
  const acks = left.filter((input) => input.kind === "frame" && input.frame[0]?.kind === "ack");
  const last = left.at(-1);
  assert.equal([left.length, acks.length], [1025, 600]);
  assert.is(last?.kind === "frame" ? last.from : -1, 599);
});

it("drops the oldest when all prove life", () => {
  const mailbox = new Mailbox();
  for (let from = 0; from < 1030; from += 1) mailbox.put(frame(from, ack));
  const [first] = mailbox.takeAll();
  assert.is(first?.kind === "frame" ? first.from : -1, 6);
});

it.run();
