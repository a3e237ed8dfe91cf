/** Digests, exchanges, contacts and reconnects, on one core whose peers are played by hand. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Digest, Status, type SyncRequest } from "../../../../src/gossip/core/types.ts";
import { firstIncarnation, LoneCore } from "./lone-core.ts";

const it = suite("gossip/anti-entropy");

function digest(...rows: readonly (readonly [number, number, number])[]): Digest {
  return {
    members: Int32Array.from(rows.map((row) => row[0])),
    incarnations: Uint32Array.from(rows.map((row) => row[1])),
    states: Uint8Array.from(rows.map((row) => row[2])),
    unknown: [],
  };
}

const noEvents = { clock: 0, hash: 0 };

/** Starts a sync with m1 and answers it with `theirs`; returns what the core asks next. */
function exchange(lone: LoneCore, theirs: Digest): SyncRequest | undefined {
  lone.give({ kind: "contact", peers: [1] });
  lone.syncs.splice(0);
  lone.give({
    kind: "syncAnswer",
    from: 1,
    answer: { kind: "digest", digest: theirs, told: null },
  });
  return lone.syncs.at(-1)?.request;
}

const known = [
  [0, firstIncarnation, Status.alive],
  [1, firstIncarnation, Status.alive],
] as const;

it("stops after eight bytes when both views are the same", () => {
  const lone = new LoneCore();
  const twin = new LoneCore();
  const hash = twin.core.table.viewHash();
  const record = twin.recordOf(1);
  assert.equal(lone.answer(1, { kind: "compare", hash, events: noEvents, record }), {
    kind: "same",
  });
});

it("asks two members that are well when told to, and remembers when it asked those that had the same view", () => {
  const lone = new LoneCore({ members: 6 });
  lone.hear(1, { kind: "alive", record: lone.recordOf(1, { incarnation: 101, degraded: true }) });
  lone.accuse("suspect", 2, 3);
  const agreedAt = (): readonly number[] => lone.core.convergence(lone.now).agreedAt;
  const askedTwice = new Set<number>();
  for (let round = 0; round < 20; round += 1) {
    lone.now += 10;
    lone.syncs.splice(0);
    lone.give({ kind: "compare" });
    const asked = lone.syncs.map(({ to }) => to);
    assert.is(new Set(asked).size, 2);
    for (const peer of asked) askedTwice.add(peer);
    const at = lone.now;
    lone.now += 5;
    for (const from of asked) lone.give({ kind: "syncAnswer", from, answer: { kind: "same" } });
    assert.equal(agreedAt().slice(-2), [at, at], "when it asked, not when the answer came");
    assert.ok(agreedAt().length <= 4);
  }
  assert.equal(
    [...askedTwice].toSorted(),
    [3, 4, 5, 6],
    "neither the degraded one nor the suspect",
  );
});

it("does not count the agreement of a member that is not well, nor an answer that it did not wait for", () => {
  const lone = new LoneCore();
  const agreed = (): readonly number[] => lone.core.convergence(lone.now).agreedAt;
  lone.hear(1, { kind: "alive", record: lone.recordOf(1, { incarnation: 101, degraded: true }) });
  lone.give({ kind: "contact", peers: [1] });
  lone.give({ kind: "syncAnswer", from: 1, answer: { kind: "same" } });
  assert.equal(agreed(), []);
  lone.give({ kind: "syncAnswer", from: 2, answer: { kind: "same" } });
  assert.equal(agreed(), [-Infinity], "older than any loss");
});

it("gives different hashes for different incarnations, deaths and good-byes", () => {
  const hashes = new Set<string>();
  const note = (change: (lone: LoneCore) => void): void => {
    const lone = new LoneCore();
    change(lone);
    const { high, low } = lone.core.table.viewHash();
    hashes.add(`${high} ${low}`);
  };
  note(() => {});
  note((lone) => lone.hear(1, { kind: "alive", record: lone.recordOf(1, { incarnation: 101 }) }));
  note((lone) => lone.accuse("failed", 1, 2));
  note((lone) => {
    const goodbye = lone.recordOf(1, { incarnation: 101, leaving: true });
    lone.hear(1, { kind: "alive", record: goodbye });
  });
  assert.is(hashes.size, 4);
});

it("counts a suspicion as passing, so that it starts no exchange", () => {
  const lone = new LoneCore();
  const before = lone.core.table.viewHash();
  lone.accuse("suspect", 1, 2);
  assert.equal(lone.core.table.viewHash(), before);
});

it("comes back to the same hash by the same members, in any order", () => {
  const [a, b] = [
    [1, 2, 3],
    [3, 1, 2],
  ].map((order) => {
    const lone = new LoneCore({ members: 0 });
    for (const ix of order) lone.directory.intern(lone.recordOf(ix).body.id);
    for (const ix of order) lone.hear(1, { kind: "alive", record: lone.recordOf(ix) });
    return lone.core.table;
  });
  assert.equal(a?.viewHash(), b?.viewHash());
  assert.is(a?.upCount, 4);
});

it("asks for what the other knows better, and offers what it knows better itself", () => {
  const lone = new LoneCore({ members: 3 });
  lone.directory.intern(lone.recordOf(4).body.id);
  const theirs = digest(
    ...known,
    [2, 150, Status.alive],
    [3, 50, Status.alive],
    [4, firstIncarnation, Status.alive],
  );
  const request = exchange(lone, theirs);
  assert.is(request?.kind, "exchange");
  if (request?.kind !== "exchange") return;
  assert.equal([...request.wantMembers].sort(), [2, 4]);
  assert.equal(
    request.records.map(({ body }) => body.name),
    ["m3"],
  );
});

it("does not hand dead members to those who do not know them, nor ask for them", () => {
  const lone = new LoneCore({ members: 3 });
  lone.accuse("failed", 3, 2);
  lone.directory.intern(lone.recordOf(4).body.id);
  const theirs = digest(...known, [2, firstIncarnation, Status.alive], [4, 100, Status.failed]);
  assert.is(exchange(lone, theirs), undefined);
});

it("suspects, and does not fail, whom the other side holds for failed", () => {
  const lone = new LoneCore({ members: 2 });
  exchange(lone, digest(...known, [2, firstIncarnation, Status.failed]));
  assert.is(lone.status(2), "suspect");
});

it("tells the other side whom it holds for failed", () => {
  const lone = new LoneCore({ members: 2 });
  lone.accuse("failed", 2, 1);
  const request = exchange(lone, digest(...known, [2, firstIncarnation, Status.alive]));
  assert.ok(request?.kind === "exchange");
  const told = request.kind === "exchange" ? request.accusations : [];
  assert.equal(
    told.map(({ kind, member }) => `${kind} ${member}`),
    ["failed 2"],
  );
});

it("only suspects whom an exchange accuses", () => {
  const lone = new LoneCore({ members: 2 });
  const accusation = { member: 2, incarnation: firstIncarnation, from: 1, refused: false };
  lone.answer(1, {
    ...{ kind: "exchange", wantMembers: [], wantKeys: [], records: [], events: [] },
    accusations: [{ kind: "failed", ...accusation }],
  });
  assert.is(lone.status(2), "suspect");
});

it("refutes when the other side's digest holds it for failed", () => {
  const lone = new LoneCore({ members: 1 });
  exchange(lone, digest([0, firstIncarnation, Status.failed], [1, firstIncarnation, Status.alive]));
  assert.is(lone.core.incarnation, firstIncarnation + 1);
});

it("hands out the records it is asked for", () => {
  const lone = new LoneCore({ members: 3 });
  const answer = lone.answer(1, {
    ...{ kind: "exchange", wantMembers: [2], records: [], accusations: [], events: [] },
    wantKeys: [lone.directory.key(3), "0000000000000000"],
  });
  assert.is(answer.kind, "records");
  if (answer.kind !== "records") return;
  assert.equal(
    answer.records.map(({ body }) => body.name),
    ["m2", "m3"],
  );
});

it("sends askers to others when too many ask at once", () => {
  const lone = new LoneCore({ members: 20 });
  const record = lone.recordOf(30);
  const compare = { kind: "compare", hash: { high: 1, low: 1 }, events: noEvents, record } as const;
  let busy = 0;
  for (let ask = 0; ask < 20_000; ask += 1) {
    const answer = lone.answer(1, compare);
    if (answer.kind !== "busy") continue;
    busy += 1;
    assert.is(answer.records.length, 8);
  }
  assert.ok(busy > 0);
  lone.now += 2000;
  assert.is(lone.answer(1, compare).kind, "digest");
});

it("answers others again after somebody asked for half a million records", () => {
  const lone = new LoneCore({ members: 20 });
  const exchange = {
    kind: "exchange",
    wantKeys: [],
    records: [],
    accusations: [],
    events: [],
  } as const;
  const wantMembers = Array.from({ length: 500_000 }, () => 3);
  for (let ask = 0; ask < 5; ask += 1) lone.answer(1, { ...exchange, wantMembers });
  lone.now += 1000;
  assert.is(lone.answer(2, { ...exchange, wantMembers: [3] }).kind, "records");
});

it("looks at nothing that comes with a sync after a forged record", () => {
  const lone = new LoneCore({ members: 5 });
  const forged = { ...lone.recordOf(1, { incarnation: 200 }), signature: new Uint8Array(64) };
  const told = {
    records: [lone.recordOf(2, { incarnation: 200 }), forged, forged, lone.recordOf(6)],
    accusations: [
      { kind: "failed", member: 3, incarnation: 100, from: 4, refused: false } as const,
    ],
  };
  lone.answer(4, { kind: "exchange", wantMembers: [], wantKeys: [], events: [], ...told });
  assert.is(lone.core.counters.get("badSignature"), 1);
  assert.is(lone.core.table.incarnation(2), 200);
  assert.equal([lone.status(6), lone.status(3)], ["none", "alive"]);
  lone.give({ kind: "syncAnswer", from: 4, answer: { kind: "records", ...told } });
  assert.equal([lone.status(6), lone.status(3)], ["none", "alive"]);
  assert.is(lone.core.counters.get("badSignature"), 2);
});

it("compares often while views differ, and rarely when they agree", () => {
  const count = (answer: (lone: LoneCore) => void): number => {
    const lone = new LoneCore();
    let syncs = 0;
    for (let second = 0; second < 300; second += 1) {
      lone.advance(1000, lone.answering());
      for (const { to } of lone.syncs.splice(0)) {
        syncs += 1;
        lone.give({ kind: "syncAnswer", from: to, answer: { kind: "same" } });
        answer(lone);
      }
    }
    return syncs;
  };
  const calm = count(() => {});
  assert.ok(calm >= 8 && calm <= 22, `${calm} syncs in 300 s`);
});

it("looks again within two seconds when a calm view turns out to differ, whoever was behind", () => {
  const lone = new LoneCore();
  const asked: number[] = [];
  let differs = false;
  const run = (ms: number): void => {
    for (const end = lone.now + ms; lone.now < end; ) {
      lone.advance(100, lone.answering());
      for (const { to, request } of lone.syncs.splice(0)) {
        if (request.kind === "compare") asked.push(lone.now);
        // The other side does not know yet that m3 failed, and has nothing new to say.
        const older = digest(...known, [3, firstIncarnation - 1, Status.alive]);
        const answer =
          request.kind === "exchange"
            ? ({ kind: "records", records: [], accusations: [] } as const)
            : differs
              ? ({ kind: "digest", digest: older, told: null } as const)
              : ({ kind: "same" } as const);
        differs = false;
        lone.give({ kind: "syncAnswer", from: to, answer });
      }
    }
  };
  run(300_000);
  asked.splice(0);
  differs = true;
  run(60_000);
  const [first = 0, second = Infinity] = asked;
  assert.ok(second - first <= 2000, `${second - first} ms later`);
  assert.is(lone.core.convergence(lone.now).agrees, true);
});

it("syncs soon when much changes after calm days, and not for one rumour", () => {
  const lone = new LoneCore({ members: 100 });
  const suspect = (member: number): void =>
    lone.hear(2, {
      kind: "suspect",
      member,
      incarnation: firstIncarnation,
      from: 2,
      refused: false,
    });
  const syncsIn = (ms: number): number => {
    let syncs = 0;
    for (let begun = 0; begun < ms; begun += 500) {
      lone.advance(500, lone.answering());
      for (const { to } of lone.syncs.splice(0)) {
        syncs += 1;
        lone.give({ kind: "syncAnswer", from: to, answer: { kind: "same" } });
      }
    }
    return syncs;
  };
  let late = 0;
  for (let round = 0; round < 3; round += 1) {
    syncsIn(600_000);
    suspect(40 + round);
    late += syncsIn(1500);
    for (let member = 10; member < 30; member += 1) {
      lone.hear(member, { kind: "alive", record: lone.recordOf(member, next(round)) });
    }
    assert.ok(syncsIn(1500) >= 1, `round ${round}`);
  }
  assert.ok(late < 3, "one rumour alone does not hurry");
});

function next(round: number): { readonly incarnation: number } {
  return { incarnation: firstIncarnation + 1 + round };
}

it("does not hurry when a sync brings only what it must refuse", () => {
  const lone = new LoneCore({ mayJoin: () => false });
  let syncs = 0;
  for (let second = 0; second < 120; second += 1) {
    lone.advance(1000, lone.answering());
    for (const { to, request } of lone.syncs.splice(0)) {
      syncs += 1;
      const theirs = { ...digest(...known), unknown: ["00000000000000aa"] };
      lone.give(
        request.kind === "compare"
          ? { kind: "syncAnswer", from: to, answer: { kind: "digest", digest: theirs, told: null } }
          : {
              kind: "syncAnswer",
              from: to,
              answer: { kind: "records", records: [lone.recordOf(9)], accusations: [] },
            },
      );
    }
  }
  assert.ok(syncs < 40, `${syncs} syncs in 120 s`);
});

it("syncs with at most three contacts at once, and tries each for ever", () => {
  const lone = new LoneCore({ members: 0 });
  for (let ix = 1; ix <= 5; ix += 1) lone.directory.intern(lone.recordOf(ix).body.id);
  lone.give({ kind: "contact", peers: [1, 2, 3, 4, 5] });
  assert.equal(
    lone.syncs.map(({ to }) => to),
    [1, 2, 3],
  );
  const tries = new Map<number, number>();
  for (let second = 0; second < 600; second += 1) {
    for (const { to } of lone.syncs.splice(0)) {
      tries.set(to, (tries.get(to) ?? 0) + 1);
      lone.give({ kind: "syncFailed", from: to });
    }
    lone.advance(1000);
  }
  assert.is(tries.size, 5);
  for (const [contact, count] of tries) assert.ok(count > 15 && count < 60, `${contact}: ${count}`);
});

it("takes a contact off its list once a sync with it is complete", () => {
  const lone = new LoneCore({ members: 0 });
  lone.directory.intern(lone.recordOf(1).body.id);
  lone.give({ kind: "contact", peers: [1] });
  lone.give({ kind: "syncAnswer", from: 1, answer: { kind: "same" } });
  lone.syncs.splice(0);
  lone.advance(60_000);
  assert.equal(lone.syncs, []);
});

it("tries failed members again, and at once when one opens a connection", () => {
  const lone = new LoneCore({ members: 2 });
  lone.accuse("failed", 1, 2);
  lone.accuse("failed", 2, 1);
  lone.syncs.splice(0);
  lone.give({ kind: "connection", peer: 1, state: "open" });
  assert.equal(
    lone.syncs.map(({ to }) => to),
    [1],
  );
  lone.give({ kind: "syncFailed", from: 1 });
  lone.advance(60_000);
  assert.ok(lone.syncs.length >= 3);
});

it.run();
