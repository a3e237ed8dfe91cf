/** Transitions of members, refutation, trust, and good-byes, on one core. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId } from "../../../../src/base/ids.ts";
import { firstIncarnation, LoneCore, seal } from "./lone-core.ts";

const it = suite("gossip/membership");

it("§4.2 a suspect that speaks with a higher incarnation is alive again", () => {
  const lone = new LoneCore();
  lone.accuse("suspect", 1, 2);
  lone.hear(3, { kind: "alive", record: lone.recordOf(1) });
  assert.is(lone.status(1), "suspect");
  lone.hear(3, { kind: "alive", record: lone.recordOf(1, { incarnation: 101 }) });
  assert.is(lone.status(1), "alive");
  lone.advance(120_000, lone.answering());
  assert.equal(lone.events, ["suspect m1", "alive m1"]);
});

it("§IV-B passes a confirmation on with the name of its author, until it has K of them", () => {
  const lone = new LoneCore({ members: 8 });
  const authors: number[] = [];
  for (const from of [2, 3, 4, 5]) {
    lone.accuse("suspect", 1, from);
    lone.advance(400, (to, frame) => {
      lone.answering()(to, frame);
      for (const message of frame) {
        if (message.kind === "suspect" && message.from !== 0) authors.push(message.from);
      }
    });
  }
  assert.equal([...new Set(authors)], [2, 3, 4]);
});

it("§4.2 a failed member returns only with a higher incarnation", () => {
  const lone = new LoneCore();
  lone.accuse("failed", 1, 2);
  lone.hear(1, { kind: "alive", record: lone.recordOf(1) });
  assert.is(lone.status(1), "failed");
  lone.hear(1, { kind: "alive", record: lone.recordOf(1, { incarnation: 101 }) });
  assert.equal(lone.events, ["failed m1", "alive m1"]);
});

it("§4.2 refutes an accusation against itself with the next incarnation, at once", () => {
  const lone = new LoneCore();
  lone.frames.splice(0);
  lone.accuse("suspect", 0, 2);
  assert.is(lone.core.incarnation, firstIncarnation + 1);
  const spoken = lone.sent("alive").map(({ message }) => message.record.body);
  assert.ok(spoken.some((body) => body.id === "m0" && body.incarnation === firstIncarnation + 1));
  assert.is(lone.core.health().score, 1);
  assert.is(lone.status(0), "alive");
});

it("does not refute an accusation at an incarnation it has passed", () => {
  const lone = new LoneCore();
  const old = { kind: "suspect", member: 0, incarnation: 99, from: 2, refused: false } as const;
  lone.hear(2, old);
  assert.is(lone.core.incarnation, firstIncarnation);
});

it("drops and counts accusations above what the accused ever signed", () => {
  const lone = new LoneCore();
  const forged = { incarnation: firstIncarnation + 1, from: 2, refused: false };
  lone.hear(2, { kind: "failed", member: 1, ...forged });
  lone.hear(2, { kind: "suspect", member: 0, ...forged });
  assert.is(lone.status(1), "alive");
  assert.is(lone.core.incarnation, firstIncarnation);
  assert.is(lone.core.counters.get("accusationsAhead"), 2);
  assert.equal(lone.events, []);
});

it("takes no record whose signature is not its owner's", () => {
  const lone = new LoneCore();
  const honest = lone.recordOf(1, { incarnation: 200 });
  const forged = { ...honest, signature: new Uint8Array(64) };
  lone.hear(2, { kind: "alive", record: forged });
  assert.is(lone.core.table.incarnation(1), firstIncarnation);
  assert.is(lone.core.counters.get("badSignature"), 1);
});

it("says over which lane a forged record came, also when both are judged together", () => {
  const lone = new LoneCore();
  const forged = { ...lone.recordOf(1, { incarnation: 200 }), signature: new Uint8Array(64) };
  const ping = { kind: "ping", seq: 1, target: 0 } as const;
  for (const [lane, other] of [
    ["udp", "stream"],
    ["stream", "udp"],
  ] as const) {
    lone.give(
      { kind: "frame", from: 2, lane, frame: [{ kind: "alive", record: forged }] },
      { kind: "frame", from: 2, lane: other, frame: [ping] },
    );
    assert.equal(lone.core.counters.takeForgery(), { carrier: 2, lane });
  }
  assert.is(lone.core.counters.takeForgery(), null, "it is taken once");
});

it("takes no record of a protocol it does not speak", () => {
  const lone = new LoneCore();
  const record = lone.recordOf(9, { protocolMin: 2, protocolMax: 3 });
  lone.hear(2, { kind: "alive", record });
  assert.is(lone.status(9), "none");
  assert.is(lone.core.counters.get("incompatible"), 1);
});

it("lets no peer become a member that the policy refuses", () => {
  const asked: string[] = [];
  const lone = new LoneCore({
    mayJoin: (subject, carrier) => {
      asked.push(`${subject} by ${carrier}`);
      return false;
    },
  });
  lone.hear(2, { kind: "alive", record: lone.recordOf(9) });
  assert.equal(asked, ["m9 by m2"]);
  assert.is(lone.status(9), "none");
  assert.is(lone.core.counters.get("notAdmitted"), 1);
});

it("keeps no more members than it may", () => {
  const lone = new LoneCore({ members: 3, protocol: { membersMax: 5 } });
  for (const ix of [10, 11, 12]) lone.hear(1, { kind: "alive", record: lone.recordOf(ix) });
  assert.is(lone.core.table.knownCount, 5);
  assert.ok(lone.core.counters.get("membersFull") > 0);
});

it("neither keeps nor answers an evicted member", () => {
  const lone = new LoneCore();
  lone.give({ kind: "evict", member: 3 });
  assert.is(lone.status(3), "none");
  assert.equal(lone.events, ["reap m3"]);
  lone.frames.splice(0);
  lone.hear(3, { kind: "ping", seq: 1, target: 0 });
  assert.is(lone.sent("ack").length, 0);
  lone.hear(1, { kind: "alive", record: lone.recordOf(3, { incarnation: 500 }) });
  assert.is(lone.status(3), "none");
  const record = lone.recordOf(3, { incarnation: 600 });
  const request = {
    kind: "compare",
    hash: { high: 0, low: 0 },
    events: { clock: 0, hash: 0 },
    record,
  } as const;
  assert.equal(lone.answer(3, request), { kind: "busy", records: [] });
});

it("shows one who says good-bye as left, and accuses it no more", () => {
  const lone = new LoneCore();
  const goodbye = lone.recordOf(1, { incarnation: 101, leaving: true });
  lone.hear(1, { kind: "alive", record: goodbye });
  assert.is(lone.status(1), "left");
  lone.accuse("failed", 1, 2);
  lone.give({ kind: "connection", peer: 1, state: "closed" });
  lone.advance(20_000, lone.answering());
  assert.equal(lone.events, ["left m1"]);
});

it("passes one good-bye on no more often than any rumour, however often it comes", () => {
  const lone = new LoneCore();
  const goodbye = lone.recordOf(1, { incarnation: 101, leaving: true });
  let sent = 0;
  for (let repeat = 0; repeat < 50; repeat += 1) {
    lone.hear(2, { kind: "alive", record: goodbye });
    lone.advance(300, (to, frame) => {
      lone.answering()(to, frame);
      sent += frame.filter((message) => message.kind === "alive").length;
    });
  }
  assert.ok(sent <= 4, `sent ${sent} times`);
});

it("an old good-bye does not undo a return", () => {
  const lone = new LoneCore();
  const goodbye = lone.recordOf(1, { incarnation: 101, leaving: true });
  lone.hear(1, { kind: "alive", record: goodbye });
  lone.hear(1, { kind: "alive", record: lone.recordOf(1, { incarnation: 102 }) });
  lone.hear(2, { kind: "alive", record: goodbye });
  assert.is(lone.status(1), "alive");
  assert.equal(lone.events, ["left m1", "join m1"]);
});

it("does not take the good-bye of somebody it never knew for news", () => {
  const lone = new LoneCore();
  lone.hear(1, { kind: "alive", record: lone.recordOf(9, { leaving: true }) });
  assert.is(lone.status(9), "none");
});

it("leaves with a signed good-bye, and tells when it was sent as often as allowed", () => {
  const lone = new LoneCore();
  lone.frames.splice(0);
  lone.give({ kind: "leave" });
  assert.ok(lone.sent("alive").some(({ message }) => message.record.body.leaving));
  assert.is(lone.status(0), "left");
  lone.advance(2000, lone.answering());
  assert.is(lone.farewells, 1);
});

it("refutes nothing once it has said good-bye", () => {
  const lone = new LoneCore();
  lone.give({ kind: "leave" });
  const { incarnation } = lone.core;
  lone.accuse("failed", 0, 1);
  assert.is(lone.core.incarnation, incarnation);
});

it("leaves at once when nobody is there to be told", () => {
  const lone = new LoneCore({ members: 0 });
  lone.give({ kind: "leave" });
  assert.is(lone.farewells, 1);
});

it("outranks the record of its own earlier life", () => {
  const lone = new LoneCore();
  const earlier = lone.recordOf(0, { incarnation: 5000, bootId: "f".repeat(32) });
  lone.hear(1, { kind: "alive", record: earlier });
  assert.is(lone.core.incarnation, 5001);
  assert.is(lone.conflicts, 0);
});

it("tells when a second process speaks with its key, and does not shout it down without end", () => {
  const lone = new LoneCore();
  for (let round = 0; round < 1000; round += 1) {
    const incarnation = lone.core.incarnation + 1;
    const record = lone.recordOf(0, { incarnation, bootId: "e".repeat(32) });
    lone.hear(1, { kind: "alive", record });
    lone.now += 10;
  }
  assert.ok(lone.conflicts >= 1 && lone.conflicts <= 6, `${lone.conflicts} conflicts`);
  assert.ok(lone.core.incarnation < firstIncarnation + 20_000, `${lone.core.incarnation}`);
  assert.not(lone.isLater);
});

it("is the one to stop when the other process with its key started earlier", () => {
  const verdicts = ["0".repeat(32), "f".repeat(32)].map((bootId) => {
    const lone = new LoneCore({ bootId: "8".repeat(32) });
    for (let round = 0; round < 3; round += 1) {
      const incarnation = lone.core.incarnation + 1;
      lone.hear(1, { kind: "alive", record: lone.recordOf(0, { incarnation, bootId }) });
    }
    return [lone.conflicts, lone.isLater];
  });
  assert.equal(verdicts, [
    [1, true],
    [1, false],
  ]);
});

it("takes several records of one dead process for what they are", () => {
  const lone = new LoneCore();
  const bootId = "e".repeat(32);
  for (const incarnation of [500, 510, 511, 900]) {
    lone.hear(1, { kind: "alive", record: lone.recordOf(0, { incarnation, bootId }) });
  }
  assert.is(lone.conflicts, 0);
  assert.ok(lone.core.incarnation > 900);
});

it("does not let a member that was reaped, or said good-bye, rise from an older record", () => {
  const lone = new LoneCore({ protocol: { reapFailedMs: 60_000, reapLeftMs: 60_000 } });
  const old = lone.recordOf(1);
  lone.hear(1, { kind: "alive", record: lone.recordOf(1, { incarnation: 102, leaving: true }) });
  lone.advance(90_000, lone.answering());
  assert.is(lone.status(1), "none");
  lone.hear(2, { kind: "alive", record: old });
  lone.hear(2, { kind: "alive", record: lone.recordOf(9, { incarnation: 7, leaving: true }) });
  lone.hear(2, { kind: "alive", record: lone.recordOf(9, { incarnation: 6 }) });
  assert.equal([lone.status(1), lone.status(9)], ["none", "none"]);
  assert.is(lone.core.counters.get("tombstoned"), 2);
  lone.hear(2, { kind: "alive", record: lone.recordOf(1, { incarnation: 103 }) });
  lone.hear(2, { kind: "alive", record: lone.recordOf(9, { incarnation: 8 }) });
  assert.equal([lone.status(1), lone.status(9)], ["alive", "alive"]);
});

it("does not answer a forged record of itself", () => {
  const lone = new LoneCore();
  const record = lone.recordOf(0, { incarnation: 5000, bootId: "f".repeat(32) });
  lone.hear(1, { kind: "alive", record: { ...record, signature: new Uint8Array(64) } });
  assert.is(lone.core.incarnation, firstIncarnation);
});

it("tells of changed tags and addresses, and not of bare incarnations", () => {
  const lone = new LoneCore();
  lone.hear(1, { kind: "alive", record: lone.recordOf(1, { incarnation: 101 }) });
  assert.equal(lone.events, []);
  const moved = lone.recordOf(1, { incarnation: 102, address: "elsewhere:1" });
  lone.hear(1, { kind: "alive", record: moved });
  assert.equal(lone.events, ["update m1"]);
});

it("forgets failed and left members after their time", () => {
  const protocol = { reapFailedMs: 60_000, reapLeftMs: 120_000 };
  const lone = new LoneCore({ protocol });
  lone.accuse("failed", 1, 2);
  const goodbye = lone.recordOf(2, { incarnation: 101, leaving: true });
  lone.hear(2, { kind: "alive", record: goodbye });
  lone.advance(90_000, lone.answering());
  assert.equal([lone.status(1), lone.status(2)], ["none", "left"]);
  lone.advance(60_000, lone.answering());
  assert.is(lone.status(2), "none");
  assert.ok(lone.events.includes("reap m1") && lone.events.includes("reap m2"));
});

it("marks itself degraded while it trusts itself little, and takes the mark back", () => {
  const lone = new LoneCore();
  for (let second = 0; second < 5; second += 1) lone.give({ kind: "loopLag", worstMs: 900 });
  const marks: boolean[] = [];
  const look = (to: number, frame: Parameters<ReturnType<LoneCore["answering"]>>[1]): void => {
    lone.answering()(to, frame);
    for (const message of frame) {
      if (message.kind === "alive") marks.push(message.record.body.degraded);
    }
  };
  lone.advance(1000, look);
  assert.is(marks.at(-1), true);
  lone.advance(60_000, look);
  assert.is(marks.at(-1), false);
});

it("takes a lag of the loop as a reason for doubt only when it is long", () => {
  const lone = new LoneCore();
  lone.give({ kind: "loopLag", worstMs: 150 });
  assert.is(lone.core.health().score, 0);
  lone.give({ kind: "loopLag", worstMs: 250 });
  assert.is(lone.core.health().score, 1);
});

it("asks for connections to its neighbours, and tells when they change", () => {
  const lone = new LoneCore({ members: 3 });
  lone.give();
  assert.equal([...lone.wanted].sort(), [1, 2, 3]);
  lone.accuse("failed", 1, 2);
  assert.equal([...lone.wanted].sort(), [2, 3]);
});

it("keeps a record under another peer id from passing for a member", () => {
  const lone = new LoneCore();
  const stolen = lone.recordOf(1, { incarnation: 300 });
  const body = { ...stolen.body, id: asPeerId("m2") };
  const record = { ...seal(body), signature: stolen.signature };
  lone.hear(3, { kind: "alive", record });
  assert.is(lone.core.table.incarnation(2), firstIncarnation);
});

it.run();
