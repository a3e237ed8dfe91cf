/** SWIM §3.1 and Lifeguard §IV-A, on one core whose peers are played by hand. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Frame } from "../../../../src/gossip/core/types.ts";
import { LoneCore } from "./lone-core.ts";

const it = suite("gossip/prober");

it("§3.1 pings one member per interval", () => {
  const lone = new LoneCore();
  const pinged: number[] = [];
  lone.advance(10_000, (to, frame) => {
    if (frame.some(({ kind }) => kind === "ping")) pinged.push(to);
    lone.answering()(to, frame);
  });
  assert.is(pinged.length, 10);
  assert.is(new Set(pinged.slice(0, 5)).size, 5);
  assert.equal(lone.events, []);
});

it("begins its rounds only some time after the start; a closed connection is looked after at once", () => {
  const lone = new LoneCore({ members: 3, protocol: { probeAfterMs: 4000 } });
  lone.advance(3999);
  assert.is(lone.core.counters.get("probesSent"), 0);
  lone.give({ kind: "connection", peer: 1, state: "closed" });
  assert.is(lone.core.counters.get("probesSent"), 1);
  lone.advance(1001);
  assert.is(lone.core.counters.get("probesSent"), 2);
});

it("goes with what wakes the agent, by three tenths of an interval at most, and not more often for it", () => {
  const lone = new LoneCore();
  const pinged: number[] = [];
  const note = (to: number, frame: Frame): void => {
    if (frame.some(({ kind }) => kind === "ping")) pinged.push(lone.now);
    lone.answering()(to, frame);
  };
  lone.advance(5000, note);
  assert.is(pinged.length, 5);
  const usual = (pinged.at(-1) ?? 0) % 1000;
  for (let step = 0; step < 200; step += 1) {
    lone.give();
    lone.advance(50, note);
  }
  const early = pinged.slice(5).map((at) => (((usual - at) % 1000) + 1000) % 1000);
  assert.ok(early.length >= 9 && early.length <= 11, `${early.length} rounds in 10 s`);
  assert.ok(
    early.every((ms) => ms >= 249 && ms <= 300),
    `early by ${early.join(", ")} ms`,
  );
});

it("does not go early while a probe waits for its answer", () => {
  const rounds = (wakeMs: number): readonly number[] => {
    const lone = new LoneCore();
    const pinged: number[] = [];
    const note = (_to: number, frame: Frame): void => {
      if (frame.some(({ kind }) => kind === "ping")) pinged.push(lone.now);
    };
    lone.advance(1000, note);
    for (; lone.now < 5000; lone.advance(wakeMs, note)) lone.give();
    return pinged;
  };
  assert.equal(
    rounds(50),
    rounds(5000).filter((at) => at <= 5000),
  );
});

it("§3.1 asks k others when the direct ping stays silent, and is content with a relayed ack", () => {
  const lone = new LoneCore();
  const relays: number[] = [];
  lone.advance(20_000, (to, frame) => {
    lone.answering(1)(to, frame);
    for (const message of frame) {
      if (message.kind !== "pingRequest") continue;
      assert.is(message.target, 1);
      relays.push(to);
      lone.hear(to, { kind: "ack", seq: message.seq });
    }
  });
  assert.ok(relays.length >= 9 && relays.length % 3 === 0);
  assert.not(relays.includes(1));
  assert.equal(lone.events, []);
});

it("pings a silent member once more, and is content when that ping is answered", () => {
  const lone = new LoneCore();
  const seen = new Map<number, number>();
  lone.advance(20_000, (to, frame) => {
    for (const message of frame) {
      if (message.kind !== "ping") continue;
      const times = (seen.get(message.seq) ?? 0) + 1;
      seen.set(message.seq, times);
      if (times === 2) lone.hear(to, { kind: "ack", seq: message.seq });
    }
  });
  assert.ok([...seen.values()].filter((times) => times === 2).length >= 18);
  assert.equal(lone.events, []);
});

it("§3.1 suspects a member that neither it nor the relays reach", () => {
  const lone = new LoneCore();
  lone.advance(7000, lone.answering(1));
  assert.equal(lone.events, ["suspect m1"]);
});

it("§4.2 fails a suspect that does not refute, after the suspicion time", () => {
  const lone = new LoneCore({ members: 2 });
  let suspectedAt = 0;
  lone.advance(20_000, (to, frame) => {
    lone.answering(1)(to, frame);
    if (suspectedAt === 0 && lone.status(1) === "suspect") suspectedAt = lone.now;
  });
  assert.equal(lone.events, ["suspect m1", "failed m1"]);
  assert.is(Math.round(lone.core.table.since(1) - suspectedAt), 4000);
});

it("§IV-A doubts itself by the nacks that are missing", () => {
  const run = (withNacks: boolean): number => {
    const lone = new LoneCore();
    let worst = 0;
    lone.advance(4500, (to, frame) => {
      lone.answering(1, 2, 3, 4, 5)(to, frame);
      for (const message of frame) {
        if (message.kind === "pingRequest" && withNacks) {
          lone.hear(to, { kind: "nack", seq: message.seq });
        }
      }
      worst = Math.max(worst, lone.core.health().score);
    });
    return worst;
  };
  assert.is(run(true), 0);
  assert.ok(run(false) >= 3);
});

it("counts what several probes at once miss as one slow moment, and the next moment as another", () => {
  const lone = new LoneCore({ members: 8 });
  const silent = (): void => {
    for (const peer of [1, 2, 3, 4]) lone.give({ kind: "connection", peer, state: "closed" });
  };
  silent();
  lone.advance(1100, lone.answering(1, 2, 3, 4));
  assert.is(lone.core.counters.get("probesFailed"), 4);
  assert.is(lone.core.health().score, 3, "three relays of each said nothing");
  silent();
  lone.advance(4100, lone.answering(1, 2, 3, 4));
  assert.ok(lone.core.health().score >= 5);
});

it("counts a relay's nack once, which may come on both lanes", () => {
  const lone = new LoneCore({ members: 4 });
  lone.advance(2000, (to, frame) => {
    for (const message of frame) {
      if (message.kind !== "pingRequest" || to === (message.target === 4 ? 3 : 4)) continue;
      lone.hear(to, { kind: "nack", seq: message.seq });
      lone.hearOn("udp", to, { kind: "nack", seq: message.seq });
    }
  });
  assert.is(lone.events.length, 1);
  assert.is(lone.core.health().score, 1, "the third one is missed");
});

it("does not doubt itself because relays died, and does because living ones say nothing", () => {
  const scoreWith = (refused: boolean): number => {
    const lone = new LoneCore({ members: 4 });
    const play = (to: number, frame: Frame): void => {
      lone.answering(3, 4)(to, frame);
      for (const message of frame) {
        if (message.kind !== "pingRequest" || to >= 3) continue;
        lone.hear(to, { kind: "nack", seq: message.seq });
      }
    };
    lone.give({ kind: "connection", peer: 3, state: "closed" });
    lone.advance(600, play); // others were asked, m4 among them
    if (refused) {
      lone.give({ kind: "connection", peer: 4, state: "closed" });
      lone.give({ kind: "connection", peer: 4, state: "refused" });
    }
    lone.advance(410, play);
    return lone.core.health().score;
  };
  assert.equal([scoreWith(true), scoreWith(false)], [0, 1]);
});

it("§IV-A probes more slowly, the more it doubts itself", () => {
  const pings = (protocol: { lifeguard: { probe: boolean } }): number => {
    const lifeguard = { probe: protocol.lifeguard.probe, suspicion: true, buddy: true };
    const lone = new LoneCore({ members: 15, protocol: { lifeguard } });
    const probes = new Set<number>();
    lone.advance(30_000, (_, frame) => {
      for (const message of frame) if (message.kind === "ping") probes.add(message.seq);
    });
    return probes.size;
  };
  assert.ok(pings({ lifeguard: { probe: true } }) < 12);
  assert.ok(pings({ lifeguard: { probe: false } }) > 25);
});

it("§IV-A lets its health recover with answered probes", () => {
  const lone = new LoneCore();
  lone.advance(5000);
  const sick = lone.core.health().score;
  lone.hear(1, { kind: "alive", record: lone.recordOf(1, { incarnation: 200 }) });
  lone.advance(60_000, lone.answering());
  assert.ok(sick > 0);
  assert.is(lone.core.health().score, 0);
});

it("stops doubting itself when nobody is left who could answer", () => {
  const lone = new LoneCore({ members: 2 });
  let worst = 0;
  for (let round = 0; round < 60; round += 1) {
    lone.advance(1000, () => {});
    worst = Math.max(worst, lone.core.health().score);
  }
  assert.equal(lone.events.filter((event) => event.startsWith("failed")).length, 2);
  lone.advance(60_000, () => {});
  assert.ok(worst > 0);
  assert.is(lone.core.health().score, 0);
});

it("§IV-A never fails anybody while it trusts itself least", () => {
  const lone = new LoneCore({ members: 9, protocol: { awarenessMax: 2 } });
  lone.advance(3000, lone.answering(1, 2, 3, 4, 5, 6, 7, 8, 9));
  lone.accuse("suspect", 3, 4);
  lone.advance(60_000, () => {});
  assert.not(lone.events.some((event) => event.startsWith("failed")));
});

it("compares views as soon as it hears again, and fails nobody before that had its time", () => {
  const lone = new LoneCore({ members: 8 });
  // It hears nobody, until it trusts itself least, holds all for suspect, and their time is over.
  lone.advance(200_000);
  assert.is(lone.core.health().score, 7);
  assert.not(lone.events.some((event) => event.startsWith("failed")));
  assert.is(lone.status(2), "suspect");
  for (const { to } of lone.syncs.splice(0)) lone.give({ kind: "syncFailed", from: to });
  const silent = [2, 3];
  for (const ix of [1, 4, 5, 6, 7, 8]) {
    lone.hear(ix, { kind: "alive", record: lone.recordOf(ix, { incarnation: 101 }) });
  }
  while (lone.core.health().score === 7) lone.advance(100, lone.answering(...silent));
  const askedAtOnce = lone.syncs.map(({ to }) => to);
  assert.is(askedAtOnce.length, 2, "and some who are well");
  assert.not(askedAtOnce.some((ix) => silent.includes(ix)));
  lone.advance(1500, lone.answering(...silent));
  assert.not(lone.events.some((event) => event.startsWith("failed")));
  // What it missed: m2 denied it all.
  lone.hear(1, { kind: "alive", record: lone.recordOf(2, { incarnation: 101 }) });
  lone.advance(1500, lone.answering(...silent));
  assert.ok(lone.events.includes("failed m3"));
  assert.is(lone.status(2) === "failed", false);
});

it("§IV-C tells a suspect with the next ping (buddy)", () => {
  const lone = new LoneCore({ members: 2 });
  lone.accuse("suspect", 1, 2);
  lone.frames.splice(0);
  let told = false;
  lone.advance(3000, (to, frame) => {
    if (to !== 1 || frame[0]?.kind !== "ping") return;
    told ||= frame.some((message) => message.kind === "suspect" && message.member === 1);
  });
  assert.ok(told);
});

it("tells one who pings that it counts as failed here", () => {
  const lone = new LoneCore();
  lone.accuse("failed", 1, 2);
  lone.frames.splice(0);
  lone.hear(1, { kind: "ping", seq: 77, target: 0 });
  const frame = lone.frames.find(({ to }) => to === 1)?.frame ?? [];
  assert.equal(frame[0], { kind: "ack", seq: 77 });
  assert.ok(frame.some((message) => message.kind === "failed" && message.member === 1));
});

it("asks others at once when the frame could not be sent", () => {
  const lone = new LoneCore();
  lone.takesFrames = false;
  let pingAt = -1;
  let askedAt = -1;
  lone.advance(1000, (_, frame) => {
    if (frame[0]?.kind === "ping" && pingAt < 0) pingAt = lone.now;
    if (frame[0]?.kind === "pingRequest" && askedAt < 0) askedAt = lone.now;
  });
  assert.ok(pingAt >= 0);
  assert.is(askedAt, pingAt);
});

it("draws no conclusion from a probe during which its host stood still", () => {
  const lone = new LoneCore();
  let ping: Frame = [];
  while (!ping.some(({ kind }) => kind === "ping")) {
    lone.advance(10, (_, frame) => (ping = frame));
  }
  lone.now += 8000;
  lone.give();
  assert.equal(lone.events, []);
  assert.is(lone.core.health().score, 1);
});

it("takes an ack that waited through the standstill before it judges the probe", () => {
  const lone = new LoneCore();
  let seq = -1;
  let target = -1;
  while (seq < 0) {
    lone.advance(10, (to, frame) => {
      const [first] = frame;
      if (first?.kind !== "ping") return;
      seq = first.seq;
      target = to;
    });
  }
  lone.now += 8000;
  lone.hear(target, { kind: "ack", seq });
  assert.equal(lone.events, []);
  assert.is(lone.core.health().score, 0);
});

it("probes a member at once when its connection closed", () => {
  const lone = new LoneCore();
  lone.frames.splice(0);
  lone.give({ kind: "connection", peer: 3, state: "closed" });
  assert.ok(lone.sent("ping").some(({ to }) => to === 3));
});

it("fails a member a second after two observers saw its re-dial refused", () => {
  const lone = new LoneCore();
  lone.give({ kind: "connection", peer: 3, state: "closed" });
  lone.give({ kind: "connection", peer: 3, state: "refused" });
  lone.accuse("suspect", 3, 4, true);
  assert.is(lone.status(3), "suspect");
  lone.advance(999, lone.answering(3));
  assert.is(lone.status(3), "suspect");
  lone.advance(2, lone.answering(3));
  assert.is(lone.status(3), "failed");
});

it("does not take one observer, or a refused dial without a closed connection, for proof", () => {
  const one = new LoneCore();
  one.give({ kind: "connection", peer: 3, state: "closed" });
  one.give({ kind: "connection", peer: 3, state: "refused" });
  one.advance(3000, one.answering());
  assert.is.not(one.status(3), "failed");
  const never = new LoneCore();
  never.give({ kind: "connection", peer: 3, state: "refused" });
  assert.is(never.status(3), "alive");
});

it("probes for others, and says nack at 80 % of the timeout when the target is silent", () => {
  const lone = new LoneCore();
  lone.frames.splice(0);
  lone.hear(1, { kind: "pingRequest", seq: 500, target: 2 });
  assert.ok(lone.sent("ping").some(({ to }) => to === 2));
  const nacks: number[] = [];
  const begun = lone.now;
  lone.advance(900, (to, frame) => {
    lone.answering(2)(to, frame);
    for (const message of frame) {
      if (message.kind !== "nack") continue;
      assert.equal([to, message.seq], [1, 500]);
      nacks.push(lone.now - begun);
    }
  });
  assert.equal(nacks, [400]);
});

it("forwards an ack to the one who asked, also after the nack", () => {
  const lone = new LoneCore();
  lone.frames.splice(0);
  lone.hear(1, { kind: "pingRequest", seq: 500, target: 2 });
  const [ping] = lone.sent("ping").filter(({ to }) => to === 2);
  lone.advance(450, lone.answering(2));
  lone.hear(2, { kind: "ack", seq: ping?.message.seq ?? -1 });
  lone.hear(2, { kind: "ack", seq: ping?.message.seq ?? -1 });
  const forwarded = lone.sent("ack").filter(({ message }) => message.seq === 500);
  assert.equal(
    forwarded.map(({ to }) => to),
    [1],
  );
});

it("does not ask a member that calls itself degraded to probe for it", () => {
  const lone = new LoneCore({ members: 4 });
  for (const ix of [2, 3]) {
    const record = lone.recordOf(ix, { incarnation: 200, degraded: true });
    lone.hear(ix, { kind: "alive", record });
  }
  const relays = new Set<number>();
  lone.advance(20_000, (to, frame) => {
    lone.answering(1)(to, frame);
    if (frame[0]?.kind === "pingRequest") relays.add(to);
  });
  assert.equal([...relays], [4]);
});

it("ignores a ping that is meant for somebody else", () => {
  const lone = new LoneCore();
  lone.frames.splice(0);
  lone.hear(1, { kind: "ping", seq: 1, target: 2 });
  assert.is(lone.sent("ack").length, 0);
  assert.is(lone.core.counters.get("misdirected"), 1);
});

it("probes again on the other lane when the usual one stays silent", () => {
  const lone = new LoneCore({ members: 1 });
  const vias: string[] = [];
  lone.advance(1700, (_, frame, via) => {
    if (frame.some(({ kind }) => kind === "ping")) vias.push(via);
  });
  assert.equal(vias.slice(0, 2), ["usual", "other"]);
});

it("asks others on both lanes, and probes for them on both, once however often it is asked", () => {
  const lone = new LoneCore();
  const asked: string[] = [];
  lone.advance(1700, (_, frame, via) => {
    if (frame.some(({ kind }) => kind === "pingRequest")) asked.push(via);
  });
  assert.equal(asked, ["both", "both", "both"]);
  lone.frames.splice(0);
  lone.hear(1, { kind: "pingRequest", seq: 500, target: 2 });
  lone.hearOn("udp", 1, { kind: "pingRequest", seq: 500, target: 2 });
  const relayed = lone.frames.filter(({ frame }) => frame[0]?.kind === "ping");
  assert.equal(
    relayed.map(({ to, via }) => [to, via]),
    [[2, "both"]],
  );
  const ping = relayed[0]?.frame[0];
  lone.frames.splice(0);
  lone.hear(2, { kind: "ack", seq: ping?.kind === "ping" ? ping.seq : -1 });
  assert.equal(
    lone.frames.map(({ to, frame, via }) => [to, frame[0], via]),
    [[1, { kind: "ack", seq: 500 }, "both"]],
  );
});

it("tells a suspect on the other lane too what it has to deny", () => {
  const lone = new LoneCore({ members: 1 });
  lone.accuse("suspect", 1, 0);
  lone.frames.splice(0);
  const told = new Map<string, boolean>();
  lone.advance(1700, (_, frame, via) => {
    const isPing = frame[0]?.kind === "ping";
    told.set(
      `${isPing ? "ping" : "rumour"} ${via}`,
      frame.some(({ kind }) => kind === "suspect"),
    );
  });
  assert.equal([...told].sort(), [
    ["ping other", true],
    ["ping usual", true],
    ["rumour both", true],
  ]);
});

it("denies an accusation on both lanes, for as long as it takes to be passed on", () => {
  const lone = new LoneCore();
  const told = (): string[] => {
    const vias: string[] = [];
    lone.advance(1000, (to, frame, via) => {
      lone.answering()(to, frame);
      const [first] = frame;
      if (first?.kind === "alive" && first.record.body.name === "m0") vias.push(via);
    });
    return [...new Set(vias)];
  };
  lone.give({ kind: "describe", change: { tags: { role: "db" } } });
  assert.equal(told(), ["usual"]);
  lone.accuse("suspect", 0, 2);
  assert.equal(told(), ["both"]);
  lone.advance(3000, lone.answering());
  lone.give({ kind: "describe", change: { tags: { role: "web" } } });
  assert.equal(told(), ["usual"]);
});

it("prefers datagrams only for members that prefer them too", () => {
  const lone = new LoneCore({ members: 1, datagrams: [1], use: "fallback" });
  answeredLate(lone, "stream", 8);
  assert.equal(lone.asymmetries, []);
  answeredLate(lone, "udp", 8);
  assert.is(lone.asymmetries[0], "m1 udp");
});

it("answers a ping on the lane that it came by", () => {
  const lone = new LoneCore();
  for (const lane of ["udp", "stream"] as const) {
    lone.frames.splice(0);
    lone.hearOn(lane, 2, { kind: "ping", seq: 5, target: 0 });
    assert.equal(
      lone.frames.map(({ to, via }) => [to, via]),
      [[2, lane]],
    );
  }
});

/** m1 answers the second ping of each probe only, on `lane`; how often that was told as an asymmetry. */
function answeredLate(lone: LoneCore, lane: "stream" | "udp", probes: number): void {
  const seen = new Map<number, number>();
  lone.advance(1000 * probes, (to, frame) => {
    for (const message of frame) {
      if (message.kind !== "ping") continue;
      const count = (seen.get(message.seq) ?? 0) + 1;
      seen.set(message.seq, count);
      if (count === 2) lone.hearOn(lane, to, { kind: "ack", seq: message.seq });
    }
  });
}

it("tells when a member answers on the other lane only, three times in a row", () => {
  const lone = new LoneCore({ members: 1, datagrams: [1] });
  answeredLate(lone, "stream", 8);
  assert.ok(lone.asymmetries.length >= 1 && lone.asymmetries.length <= 3);
  assert.is(lone.asymmetries[0], "m1 stream");
  assert.is(lone.status(1), "alive");
});

it("tells when a member answers through others only, until it answers itself", () => {
  const lone = new LoneCore({ members: 2 });
  const relayed = (to: number, frame: Frame): void => {
    for (const message of frame) {
      if (message.kind === "ping" && to === 2) lone.hear(to, { kind: "ack", seq: message.seq });
      if (message.kind === "pingRequest") lone.hear(to, { kind: "ack", seq: message.seq });
    }
  };
  lone.advance(4000, relayed);
  assert.equal(lone.asymmetries, [], "twice may be chance");
  lone.advance(4000, relayed);
  assert.equal(lone.asymmetries, ["m1 others"]);
  assert.is(lone.status(1), "alive");
  lone.advance(4000, lone.answering());
  lone.advance(4000, relayed);
  assert.equal(lone.asymmetries, ["m1 others"], "counted anew");
});

it("does not say so of a member that answers itself, but later than others do for it", () => {
  const lone = new LoneCore({ members: 2 });
  for (let round = 0; round < 20; round += 1) {
    const late: [to: number, seq: number][] = [];
    lone.advance(1000, (to, frame) => {
      for (const message of frame) {
        if (message.kind === "ping" && to === 2) lone.hear(to, { kind: "ack", seq: message.seq });
        if (message.kind === "pingRequest") {
          lone.hear(to, { kind: "ack", seq: message.seq });
          late.push([1, message.seq]);
        }
      }
    });
    for (const [to, seq] of late) lone.hear(to, { kind: "ack", seq });
  }
  assert.equal(lone.asymmetries, []);
});

it("tells nothing when the usual lane answers late, or there is one lane only", () => {
  const late = new LoneCore({ members: 1, datagrams: [1] });
  answeredLate(late, "udp", 8);
  const single = new LoneCore({ members: 1 });
  answeredLate(single, "stream", 8);
  assert.equal([...late.asymmetries, ...single.asymmetries], []);
});

it("counts probes, requests to others, suspicions and false alarms", () => {
  const lone = new LoneCore({ members: 3 });
  lone.advance(3000, lone.answering());
  const { counters } = lone.core;
  const sent = counters.get("probesSent");
  assert.ok(sent >= 2);
  assert.ok(counters.get("probesAcked") >= sent - 1);
  lone.advance(8000, lone.answering(1));
  assert.ok(counters.get("probesFailed") >= 1);
  assert.ok(counters.get("indirectAsked") >= 1);
  assert.is(counters.get("suspicions"), 1);
  const alive = lone.recordOf(1, { incarnation: 101 });
  lone.hear(1, { kind: "alive", record: alive });
  assert.is(counters.get("falseSuspicions"), 1);
  lone.accuse("failed", 1, 2);
  lone.hear(1, {
    kind: "alive",
    record: lone.recordOf(1, { incarnation: 102, bootId: "9".repeat(32) }),
  });
  assert.equal([counters.get("failures"), counters.get("falseFailures")], [1, 0]);
});

it("takes its own host's slowness into account before it asks others, and before it accuses", () => {
  const silent = (factor: number): { readonly askedAt: number; readonly accusedAt: number } => {
    const lone = new LoneCore();
    lone.give({ kind: "slowness", factor });
    let [pingedAt, askedAt, accusedAt] = [NaN, NaN, NaN];
    lone.advance(60_000, (to, frame) => {
      lone.answering(1)(to, frame);
      for (const { kind } of frame) {
        if (kind === "ping" && to === 1 && Number.isNaN(pingedAt)) pingedAt = lone.now;
        if (kind === "pingRequest" && Number.isNaN(askedAt)) askedAt = lone.now;
        if (kind === "suspect" && Number.isNaN(accusedAt)) accusedAt = lone.now;
      }
    });
    return { askedAt: askedAt - pingedAt, accusedAt: accusedAt - pingedAt };
  };
  assert.equal(silent(1), { askedAt: 500, accusedAt: 1000 });
  assert.equal(silent(4), { askedAt: 2000, accusedAt: 4000 });
});

it.run();
