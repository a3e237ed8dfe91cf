/** Whatever a peer sends: counted and dropped, never thrown, never believed. */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { EntryType, type Entry, type Message } from "../../../../src/consensus/core/types.ts";
import { append, appendResp, Bench, entriesOf, heartbeat } from "../../../support/core-bench.ts";
import { history } from "../../../support/entries.ts";

const it = suite("consensus: hostile input");

function follower(): Bench {
  const bench = new Bench({ log: [1, 1, 2], hardState: { term: 2, commit: 2 } });
  bench.step(heartbeat("b", "a", { term: 2 }));
  return bench;
}

function leader(): Bench {
  const bench = new Bench({ log: [1, 1, 2], hardState: { term: 2, commit: 2 } });
  bench.becomeLeader();
  bench.acknowledgeAll();
  return bench;
}

function assertDropped(bench: Bench, message: Message, reason: string): void {
  const before = bench.status;
  bench.step(message);
  const names = new Map<string, number>(bench.core.dropped());
  assert.is(names.get(reason), 1, `${message.type} of term ${message.term}`);
  const { term, last, commit, role } = bench.status;
  assert.equal([term, last, commit, role], [before.term, before.last, before.commit, before.role]);
}

const good = { term: 2, prevIndex: 3, prevTerm: 2 };
const entry = (change: object): Entry => ({ ...entriesOf([2], 4)[0], ...change }) as Entry;

it("messages that cannot be right are dropped as malformed", () => {
  const huge = Array.from({ length: 20_000 }, (_, i) => entry({ index: 4 + i }));
  const meta = { ...history, id: "s", index: 5, term: 2, sizeBytes: 1, sha256: "00" };
  const bad: readonly Message[] = [
    heartbeat("b", "a", { term: 2 ** 53 }),
    heartbeat("b", "a", { term: 2 ** 53 - 1 }),
    heartbeat("b", "a", { term: -1 }),
    heartbeat("b", "a", { term: 1.5 }),
    heartbeat("b", "a", { term: Number.NaN }),
    heartbeat("b", "a", { term: 0 }),
    heartbeat("b", "a", { term: 2, commit: -1 }),
    heartbeat("b", "a", { term: 2, round: 0.5 }),
    heartbeat("", "a", { term: 2 }),
    heartbeat("x".repeat(1000), "a", { term: 2 }),
    append("b", "a", { ...good, prevIndex: -1 }),
    append("b", "a", { ...good, prevTerm: 3 }),
    append("b", "a", { ...good, entries: [entry({ index: 9 })] }),
    append("b", "a", { ...good, entries: [entry({ term: 3 })] }),
    append("b", "a", { ...good, entries: [entry({ term: 1 })] }),
    append("b", "a", { ...good, entries: [entry({ type: 9 })] }),
    append("b", "a", { ...good, entries: [entry({ data: "text" })] }),
    append("b", "a", { ...good, entries: huge }),
    append("b", "a", { ...good, entries: [entry({ data: new Uint8Array((64 << 20) + 1) })] }),
    append("b", "a", { ...good, entries: "none" as unknown as readonly Entry[] }),
    {
      type: "Snapshot",
      from: "b",
      to: "a",
      term: 2,
      meta: { ...meta, index: 0, config: simpleConfiguration(["a"]) },
    },
    {
      type: "Snapshot",
      from: "b",
      to: "a",
      term: 1,
      meta: { ...meta, config: simpleConfiguration(["a"]) },
    },
    { type: "Nonsense", from: "b", to: "a", term: 2 } as unknown as Message,
    {
      type: "VoteResp",
      from: "b",
      to: "a",
      term: 2,
      granted: 1,
      requestTerm: 2,
    } as unknown as Message,
  ];
  for (const message of bad) assertDropped(follower(), message, "malformed");
});

it("messages for others, and from oneself, are dropped", () => {
  assertDropped(follower(), heartbeat("b", "c", { term: 2 }), "wrong-receiver");
  assertDropped(follower(), heartbeat("a", "a", { term: 2 }), "unexpected");
  assertDropped(follower(), append("a", "a", good), "unexpected");
});

it("nobody else can claim to lead a term that has a leader", () => {
  assertDropped(follower(), heartbeat("c", "a", { term: 2 }), "second-leader");
  assertDropped(leader(), heartbeat("c", "a", { term: 3 }), "second-leader");
});

it("answers of nodes that are not members are dropped", () => {
  assertDropped(leader(), appendResp("stranger", "a", { term: 3, index: 4 }), "unknown-sender");
});

it("an acknowledgement beyond the log is dropped", () => {
  assertDropped(leader(), appendResp("b", "a", { term: 3, index: 1000 }), "beyond-log");
});

it("a refusal in the leader's own name is dropped", () => {
  const refusal = appendResp("a", "a", { term: 3, index: 0, ok: false });
  assertDropped(leader(), refusal, "unexpected");
});

it("a commit index beyond the log is dropped", () => {
  assertDropped(follower(), heartbeat("b", "a", { term: 2, commit: 1000 }), "beyond-log");
});

it("an acknowledgement of a round that never was is dropped", () => {
  const bench = leader();
  bench.core.readIndex(1);
  bench.take();
  assertDropped(
    bench,
    { type: "HeartbeatResp", from: "b", to: "a", term: 3, round: 99 },
    "unexpected",
  );
  assert.equal(bench.node.reads, []);
});

it("an append that contradicts committed entries does not change them", () => {
  const bench = follower();
  const entries = entriesOf([2, 2, 2], 1);
  bench.step(append("b", "a", { term: 2, prevIndex: 0, prevTerm: 0, entries }));
  assert.equal([bench.status.last, bench.status.commit], [3, 2]);
});

it("a hint beyond the log, or above every term, is survived", () => {
  const bench = leader();
  const answer = appendResp("c", "a", { term: 3, index: 4, ok: false });
  assert.ok(answer.type === "AppendResp");
  bench.step({ ...answer, hintIndex: 2 ** 40, hintTerm: 2 ** 40 });
  assert.is(bench.status.role, "leader");
});

it("random messages never throw, and never break an invariant", () => {
  const small = fc.integer({ min: -1, max: 8 });
  const number = fc.oneof(small, fc.constantFrom(2 ** 48, 2 ** 53, Number.NaN, Number.MAX_VALUE));
  const name = fc.constantFrom("a", "b", "c", "stranger", "");
  const anyEntry = fc.record({
    index: small,
    term: small,
    type: fc.constantFrom(...Object.values(EntryType), 7),
    data: fc.uint8Array({ maxLength: 4 }),
  });
  const anyMessage = fc.record({
    type: fc.constantFrom(
      "PreVote",
      "Vote",
      "PreVoteResp",
      "VoteResp",
      "Append",
      "AppendResp",
      "Heartbeat",
      "HeartbeatResp",
      "TimeoutNow",
      "ReadIndex",
      "ReadIndexResp",
    ),
    from: name,
    to: fc.oneof({ weight: 9, arbitrary: fc.constant("a") }, { weight: 1, arbitrary: name }),
    term: fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: 0, max: 6 }) },
      { weight: 1, arbitrary: number },
    ),
    lastIndex: number,
    lastTerm: number,
    transfer: fc.boolean(),
    granted: fc.boolean(),
    requestTerm: number,
    prevIndex: small,
    prevTerm: small,
    entries: fc.array(anyEntry, { maxLength: 3 }),
    commit: number,
    leaderLast: number,
    ok: fc.boolean(),
    index: small,
    hintIndex: number,
    hintTerm: number,
    round: small,
    context: number,
  });
  fc.assert(
    fc.property(fc.array(anyMessage, { maxLength: 40 }), fc.boolean(), (messages, leads) => {
      const bench = leads ? leader() : follower();
      for (const message of messages) {
        bench.step(message as unknown as Message);
        bench.core.tick();
        bench.take();
        bench.core.assertInvariants();
      }
    }),
    { numRuns: 400 },
  );
});

it.run();
