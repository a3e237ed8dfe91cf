/** Whether spare datagrams pass is asked now and then, on one core whose peers are played by hand. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Frame } from "../../../../src/gossip/core/types.ts";
import { type LaneName, type Via } from "../../../../src/gossip/ports.ts";
import { LoneCore, type LoneCoreOptions } from "./lone-core.ts";

const it = suite("gossip/lane-check");

const spare: LoneCoreOptions = { members: 3, datagrams: [1, 2], use: "fallback" };

/** All answer by streams; `by` says how each answers a ping by datagram. */
function play(lone: LoneCore, ms: number, by: (member: number) => LaneName | null): Frame[] {
  const asked: Frame[] = [];
  lone.advance(ms, (to, frame, via: Via) => {
    if (via !== "udp") {
      lone.answering()(to, frame);
      return;
    }
    asked.push(frame);
    const lane = by(to);
    const [ping] = frame;
    if (lane !== null && ping?.kind === "ping")
      lone.hearOn(lane, to, { kind: "ack", seq: ping.seq });
  });
  return asked;
}

it("asks one member after the other by a datagram, and one is enough where it is answered", () => {
  const lone = new LoneCore(spare);
  const asked = play(lone, 120_000, () => "udp");
  assert.is(asked.length, 4, "twice a minute");
  assert.equal(new Set(lone.laneChecks), new Set(["m1 passes", "m2 passes"]), "m3 takes none");
});

it("tells that a member is silent after six pings, and that it is not any more", () => {
  const lone = new LoneCore(spare);
  let isBlocked = true;
  const by = (member: number): LaneName | null => (isBlocked && member === 2 ? null : "udp");
  play(lone, 90_000, by);
  assert.ok(lone.laneChecks.includes("m1 passes"));
  assert.ok(lone.laneChecks.includes("m2 silent"));
  assert.not(lone.laneChecks.includes("m2 passes"));
  assert.equal(lone.events, [], "it is alive none the less");
  assert.is(lone.core.health().score, 0);
  isBlocked = false;
  lone.laneChecks.splice(0);
  play(lone, 90_000, by);
  assert.ok(lone.laneChecks.includes("m2 passes"));
});

it("puts no rumours into datagrams that may go nowhere", () => {
  const lone = new LoneCore(spare);
  lone.give({ kind: "tell", name: "x", payload: new Uint8Array(0) });
  for (const frame of play(lone, 30_000, () => null)) {
    assert.equal(
      frame.map(({ kind }) => kind),
      ["ping"],
    );
  }
});

it("says nothing of a ping that a stream carried, of a member that is not well, and of one that left meanwhile", () => {
  const byStream = new LoneCore(spare);
  play(byStream, 60_000, () => "stream");
  assert.equal(byStream.laneChecks, []);
  const suspect = new LoneCore({ ...spare, members: 1, datagrams: [1] });
  suspect.advance(9000, suspect.answering());
  suspect.accuse("suspect", 1, 0);
  suspect.advance(2000);
  assert.equal(suspect.laneChecks, []);
});

it("asks nobody where datagrams are the usual lane, or where this agent takes none", () => {
  for (const use of ["usual", "none"] as const) {
    const lone = new LoneCore({ ...spare, use });
    assert.equal(
      play(lone, 60_000, () => "udp"),
      [],
      use,
    );
  }
});

it.run();
