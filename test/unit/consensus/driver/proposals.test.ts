import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Index, type ProposeResult, type Term } from "../../../../src/consensus/core/types.ts";
import { DriverMetrics } from "../../../../src/consensus/driver/metrics.ts";
import { Proposals } from "../../../../src/consensus/driver/proposals.ts";
import { ConsensusError } from "../../../../src/consensus/errors.ts";
import { codeOf } from "../../../contract/log-store.ts";
import { command } from "../../../support/entries.ts";

const it = suite("proposals");

const limits = {
  maxPendingProposals: 10,
  maxPendingBytes: 1000,
  busyRetryMs: 100,
  proposalTimeoutMs: 5000,
  maxEntryBytes: 500,
};

function setUp() {
  const metrics = new DriverMetrics();
  const proposals = new Proposals<string>(limits, metrics);
  const add = (bytes = 1, nowMs = 0, signal: AbortSignal | null = null): Promise<string> =>
    proposals
      .add(new Uint8Array(bytes), nowMs, signal)
      .then(({ index, term, result }) => `${index}/${term} ${result}`, codeOf);
  const place = (first: Index, term: Term): void => {
    proposals.flush((data): ProposeResult => {
      return { ok: true, first, last: first + data.length - 1, term };
    });
  };
  const refuse = (reason: "not-leader" | "transferring" | "busy" | "too-large"): void => {
    proposals.flush(() => ({ ok: false, reason, leader: "b", detail: "said the core" }));
  };
  return { proposals, metrics, add, place, refuse };
}

it("answers each at its own index", async () => {
  const t = setUp();
  const answers = [t.add(), t.add()];
  t.place(7, 2);
  t.proposals.applied(command(7, 2), "seven", 10);
  t.proposals.applied(command(8, 2), "eight", 20);
  assert.equal(await Promise.all(answers), ["7/2 seven", "8/2 eight"]);
  assert.is(t.metrics.pendingProposals, 0);
  assert.is(t.metrics.commitMs.count, 2);
});

it("declares it unknown when an entry of another term was committed there: a child generation may keep it", async () => {
  const t = setUp();
  const answer = t.add();
  t.place(7, 2);
  t.proposals.applied(command(7, 3), "somebody else's", 10);
  assert.is(await answer, "UNKNOWN_OUTCOME");
  assert.is(t.metrics.unknown, 1);
});

it("tells two proposals at one index apart by their terms", async () => {
  const t = setUp();
  const old = t.add();
  t.place(7, 2);
  const recent = t.add();
  t.place(7, 4);
  t.proposals.applied(command(7, 4), "recent", 10);
  assert.equal(await Promise.all([old, recent]), ["UNKNOWN_OUTCOME", "7/4 recent"]);
  assert.is(t.metrics.pendingProposals, 0);
  const again = [t.add()];
  t.place(8, 5);
  again.push(t.add());
  t.place(8, 6);
  t.proposals.applied(command(8, 5), "the old one won", 10);
  assert.equal(await Promise.all(again), ["8/5 the old one won", "UNKNOWN_OUTCOME"]);
});

it("declares an outcome unknown after the time limit", async () => {
  const t = setUp();
  const early = t.add(1, 0);
  t.place(7, 2);
  const late = t.add(1, 3000);
  t.place(8, 2);
  t.proposals.expire(5001);
  assert.is(await early, "UNKNOWN_OUTCOME");
  assert.is(t.metrics.pendingProposals, 1);
  t.proposals.applied(command(8, 2), "in time", 5100);
  assert.is(await late, "8/2 in time");
});

it("declares it unknown when a snapshot skipped the index", async () => {
  const t = setUp();
  const answers = [t.add(), t.add()];
  t.place(7, 2);
  t.proposals.skipped(7);
  t.proposals.applied(command(8, 2), "eight", 1);
  assert.equal(await Promise.all(answers), ["UNKNOWN_OUTCOME", "8/2 eight"]);
});

it("passes on why the core refused", async () => {
  const t = setUp();
  const outcomes: string[] = [];
  for (const reason of ["not-leader", "transferring", "busy", "too-large"] as const) {
    const answer = t.add();
    t.refuse(reason);
    outcomes.push(await answer);
  }
  assert.equal(outcomes, ["NOT_LEADER", "NOT_LEADER", "BUSY", "TOO_LARGE"]);
});

it("refuses beyond its limits of number, bytes and size", async () => {
  const t = setUp();
  assert.is(await t.add(501), "TOO_LARGE");
  void t.add(500);
  void t.add(400);
  assert.is(await t.add(101), "BUSY");
  for (let i = 0; i < 8; i += 1) void t.add();
  assert.is(await t.add(), "BUSY");
  assert.is(t.metrics.refused, 3);
});

it("forgets a caller that gives up: surely not before it was placed, unknown afterwards", async () => {
  const t = setUp();
  const before = new AbortController();
  const after = new AbortController();
  const answers = [t.add(1, 0, before.signal), t.add(1, 0, after.signal)];
  before.abort();
  let given = 0;
  t.proposals.flush((data) => {
    given = data.length;
    return { ok: true, first: 5, last: 5, term: 1 };
  });
  assert.is(given, 1);
  after.abort();
  const [one, two] = await Promise.all(answers);
  assert.match(one ?? "", /AbortError/);
  assert.is(two, "UNKNOWN_OUTCOME");
  t.proposals.applied(command(5, 1), "x", 1);
  assert.is(t.metrics.pendingProposals, 0);
  assert.match(await t.add(1, 0, after.signal), /AbortError/);
});

it("settles everybody at the end", async () => {
  const t = setUp();
  const placed = [t.add()];
  t.place(5, 1);
  placed.push(t.add());
  t.place(5, 2);
  const queued = t.add();
  t.proposals.rejectAll(new ConsensusError("STOPPED", "s"), new ConsensusError("NO_LEADER", "n"));
  assert.equal(await Promise.all([...placed, queued]), ["NO_LEADER", "NO_LEADER", "STOPPED"]);
  assert.is(t.metrics.pendingProposals, 0);
});

it.run();
