import { suite } from "uvu";
import * as assert from "uvu/assert";
import { must } from "../../../../src/base/assert.ts";
import { AgentError, isAgentError } from "../../../../src/base/errors.ts";
import { seededRandom } from "../../../../src/base/random.ts";
import { type NodeId } from "../../../../src/consensus/core/types.ts";
import { type Position, Submitter } from "../../../../src/consensus/driver/submitter.ts";
import { type ClusterOptions, RaftCluster } from "../../../support/raft-cluster.ts";

const it = suite("submitter");

/** Three agents with a submitter each, which forward to one another. */
class Submitters {
  readonly cluster: RaftCluster;
  readonly byNode = new Map<NodeId, Submitter<string>>();
  /** What happens to the next forwarded requests instead of their delivery. */
  readonly faults: ("unreachable" | "lost-request" | "lost-answer")[] = [];
  forwarded = 0;
  /** How the leader is met before it is asked; by default nothing need be known of it. */
  meet: (timeoutMs: number) => Promise<void> | null = () => null;
  /** What each forwarded request was given. */
  readonly timeouts: number[] = [];

  constructor(options: ClusterOptions = {}) {
    this.cluster = new RaftCluster(["a", "b", "c"], options);
  }

  async start(): Promise<void> {
    await this.cluster.startAll();
    for (const id of this.cluster.nodes.keys()) this.attach(id);
  }

  attach(id: NodeId): void {
    const submitter = new Submitter<string>({
      self: id,
      node: this.cluster.node(id).consensus,
      stamp: (request) => Buffer.concat([request, Buffer.from("!")]),
      admit: (request) => Buffer.concat([request, Buffer.from("?")]),
      meet: (_leader, timeoutMs) => this.meet(timeoutMs),
      forward: (leader, request, timeoutMs) => this.#forward(leader, request, timeoutMs),
      clock: this.cluster.clock,
      random: seededRandom(7),
    });
    this.byNode.set(id, submitter);
  }

  submit(
    id: NodeId,
    text: string,
    timeoutMs = 5000,
    requireFit: () => void = () => undefined,
  ): Promise<string> {
    const submitter = must(this.byNode.get(id), "it runs");
    const applied = submitter.submit(Buffer.from(text), timeoutMs, requireFit);
    return applied.then(({ result }) => result);
  }

  async #forward(leader: NodeId, request: Uint8Array, timeoutMs: number): Promise<Position> {
    this.forwarded += 1;
    this.timeouts.push(timeoutMs);
    const fault = this.faults.shift();
    if (fault === "unreachable" || !this.cluster.nodes.has(leader)) {
      throw new AgentError("PEER_UNREACHABLE", "away");
    }
    if (fault === "lost-request") return never(this.cluster, timeoutMs);
    const position = await must(this.byNode.get(leader), "it runs").handleForward(request);
    return fault === "lost-answer" ? never(this.cluster, timeoutMs) : position;
  }
}

function never(cluster: RaftCluster, timeoutMs: number): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  cluster.clock.setTimer(timeoutMs, () => reject(new AgentError("RPC_TIMEOUT", "late")));
  return promise;
}

function later(cluster: RaftCluster, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  cluster.clock.setTimer(ms, resolve);
  return promise;
}

function on(title: string, test: (s: Submitters) => Promise<void>, options?: ClusterOptions): void {
  it(title, async () => {
    const submitters = new Submitters(options);
    await submitters.start();
    try {
      await test(submitters);
    } finally {
      await submitters.cluster.stopAll();
    }
  });
}

const newsMs = 100;
const codeOf = (error: unknown): string => (isAgentError(error) ? error.code : String(error));

on("carries out a command from the leader and from a follower", async (s) => {
  const leader = await s.cluster.elected();
  const follower = must(s.cluster.followers()[0], "there are followers");
  assert.is(await s.cluster.settle(s.submit(leader.id, "one")), "#1");
  assert.is(s.forwarded, 0);
  assert.is(await s.cluster.settle(s.submit(follower.id, "two")), "#2");
  assert.equal(follower.machine.commands, ["one!", "two?"], "applied here before it is answered");
});

on(
  "answers the write of a follower without waiting for entries that tell it the commit index",
  async (s) => {
    await s.cluster.elected();
    const follower = must(s.cluster.followers()[0], "there are followers");
    const begun = s.cluster.clock.monotonicMs();
    assert.is(await s.cluster.settle(s.submit(follower.id, "x")), "#1");
    assert.ok(s.cluster.clock.monotonicMs() - begun < newsMs);
  },
  { driver: { commitNewsMs: newsMs } },
);

on("waits for a leader to be elected", async (s) => {
  assert.is(await s.cluster.settle(s.submit("a", "early")), "#1");
});

on("retries a request that did not reach the leader", async (s) => {
  await s.cluster.elected();
  const follower = must(s.cluster.followers()[0], "there are followers");
  s.faults.push("unreachable", "unreachable", "unreachable");
  assert.is(await s.cluster.settle(s.submit(follower.id, "x")), "#1");
  assert.is(s.forwarded, 4);
});

on("sends the same bytes again when an answer is lost", async (s) => {
  const leader = await s.cluster.elected();
  const follower = must(s.cluster.followers()[0], "there are followers");
  s.faults.push("lost-request", "lost-answer");
  await s.cluster.settle(s.submit(follower.id, "x", 20_000));
  assert.equal(leader.machine.commands, ["x?", "x?"], "the state machine sees the repetition");
});

on("outlives the crash of the leader it waits for", async (s) => {
  const leader = await s.cluster.elected();
  const follower = must(s.cluster.followers()[0], "there are followers");
  const outcome = s.submit(follower.id, "x");
  s.cluster.crash(leader.id);
  await s.cluster.settle(outcome);
  assert.equal(follower.machine.commands, ["x!"]);
});

on("retries elsewhere when it loses leadership while it waits", async (s) => {
  const old = await s.cluster.elected();
  s.cluster.lets = (from, to) => from !== old.id && to !== old.id;
  const outcome = s.submit(old.id, "x", 20_000);
  await s.cluster.clock.until("another leads", () => (s.cluster.leader()?.id ?? "") !== old.id);
  s.cluster.lets = () => true;
  await s.cluster.settle(outcome);
  assert.equal(old.machine.commands, ["x?"]);
});

on("says NO_LEADER when surely nothing was sent", async (s) => {
  await s.cluster.elected();
  const [one, two] = s.cluster.followers();
  const leader = must(s.cluster.leader(), "there is a leader");
  s.cluster.crash(leader.id);
  s.cluster.crash(must(two, "two followers").id);
  await s.cluster.clock.advance(5000);
  const outcome = s.submit(must(one, "two followers").id, "x", 3000).catch(codeOf);
  assert.is(await s.cluster.settle(outcome), "NO_LEADER");
});

on("says UNKNOWN_OUTCOME when it may have been carried out", async (s) => {
  await s.cluster.elected();
  const follower = must(s.cluster.followers()[0], "there are followers");
  s.faults.push("lost-answer", "lost-request", "lost-request");
  const outcome = s.submit(follower.id, "x", 3000).catch(codeOf);
  assert.is(await s.cluster.settle(outcome), "UNKNOWN_OUTCOME");
});

on(
  "does not say that nothing happened when another entry took the place of its command",
  async (s) => {
    const old = await s.cluster.elected();
    s.cluster.lets = (from, to) => from !== old.id && to !== old.id;
    const placed = must(s.byNode.get(old.id), "it runs").handleForward(Buffer.from("x"));
    await s.cluster.clock.until(
      "another leads",
      () => (s.cluster.leader()?.id ?? old.id) !== old.id,
    );
    s.cluster.lets = () => true;
    let forwarded = 0;
    const submitter = new Submitter<string>({
      self: "z",
      node: Object.assign(Object.create(old.consensus) as typeof old.consensus, {
        status: () => ({ ...old.consensus.status(), leader: old.id }),
        generation: () => old.consensus.generation(),
        onChange: () => () => undefined,
      }),
      stamp: (request) => request,
      admit: (request) => request,
      forward: () => {
        forwarded += 1;
        return forwarded > 1 ? Promise.reject(new AgentError("PEER_UNREACHABLE", "away")) : placed;
      },
      clock: s.cluster.clock,
      random: seededRandom(7),
    });
    const outcome = submitter.submit(Buffer.from("x"), 5000).catch(codeOf);
    assert.is(await s.cluster.settle(outcome), "UNKNOWN_OUTCOME");
    assert.ok(forwarded > 1, "it went on trying");
    submitter.close();
  },
);

on("gives a request what is left of the attempt after the leader was met", async (s) => {
  await s.cluster.elected();
  const follower = must(s.cluster.followers()[0], "there are followers");
  s.meet = () => later(s.cluster, 1500);
  assert.is(await s.cluster.settle(s.submit(follower.id, "x")), "#1");
  assert.equal(s.timeouts, [500]);
});

on("knows that nothing was sent while it only met the leader, and sends it no more", async (s) => {
  await s.cluster.elected();
  const follower = must(s.cluster.followers()[0], "there are followers");
  s.meet = () => later(s.cluster, 3000);
  const outcome = s.submit(follower.id, "x", 2000).catch(codeOf);
  assert.is(await s.cluster.settle(outcome), "NO_LEADER");
  await s.cluster.clock.advance(2000);
  assert.is(s.forwarded, 0);
});

on("sends nothing when meeting the leader took all of the attempt", async (s) => {
  await s.cluster.elected();
  const follower = must(s.cluster.followers()[0], "there are followers");
  s.meet = (timeoutMs) => later(s.cluster, timeoutMs);
  const outcome = s.submit(follower.id, "x", 2000).catch(codeOf);
  assert.is(await s.cluster.settle(outcome), "NO_LEADER");
  assert.is(s.forwarded, 0);
});

on("sends nothing to a leader that is none any more when it comes to that", async (s) => {
  await s.cluster.elected();
  const follower = must(s.cluster.followers()[0], "there are followers").consensus;
  let tell: Parameters<typeof follower.onChange>[0] = () => undefined;
  let forwarded = 0;
  const submitter = new Submitter<string>({
    self: "z",
    node: Object.assign(Object.create(follower) as typeof follower, {
      status: () => follower.status(),
      onChange: (listener: typeof tell) => {
        tell = listener;
        return () => undefined;
      },
    }),
    stamp: (request) => request,
    admit: (request) => request,
    forward: () => Promise.reject(new AgentError("PEER_LOST", `sent ${(forwarded += 1)}`)),
    clock: s.cluster.clock,
    random: seededRandom(7),
  });
  const outcome = submitter.submit(Buffer.from("x"), 500).catch(codeOf);
  tell({ ...follower.status(), leader: null });
  assert.is(await s.cluster.settle(outcome), "NO_LEADER");
  assert.is(forwarded, 0);
  submitter.close();
});

on(
  "passes BUSY through, with its time to retry",
  async (s) => {
    const leader = await s.cluster.elected();
    const follower = must(s.cluster.followers()[0], "there are followers");
    for (const id of [leader.id, follower.id]) {
      const many = Array.from({ length: 20 }, (_, i) =>
        s.submit(id, `${i}`).then(
          () => "ok",
          (error: unknown) => {
            assert.ok(isAgentError(error) && error.details["retryAfterMs"] === 100);
            return codeOf(error);
          },
        ),
      );
      const outcomes = await s.cluster.settle(Promise.all(many));
      assert.is(outcomes.filter((outcome) => outcome === "BUSY").length, 10, id);
    }
  },
  { driver: { maxPendingProposals: 10 } },
);

on("refuses what is too large at once", async (s) => {
  const leader = await s.cluster.elected();
  const outcome = s.submit(leader.id, "x".repeat(300_000)).catch(codeOf);
  assert.is(await s.cluster.settle(outcome), "TOO_LARGE");
});

on("ends at once when this agent stops before it sees the result", async (s) => {
  const leader = await s.cluster.elected();
  const follower = must(s.cluster.followers()[0], "there are followers");
  await s.cluster.settle(follower.consensus.stop());
  const begun = s.cluster.clock.monotonicMs();
  const outcome = s.submit(follower.id, "x").catch(codeOf);
  assert.is(await s.cluster.settle(outcome), "UNKNOWN_OUTCOME");
  assert.ok(s.cluster.clock.monotonicMs() - begun < 100);
  assert.equal(leader.machine.commands, ["x?"]);
});

on("ends what waits for a leader at once when it is closed, and takes nothing more", async (s) => {
  const submitter = must(s.byNode.get("a"), "it runs");
  const begun = s.cluster.clock.monotonicMs();
  const outcome = s.submit("a", "x").catch(codeOf);
  submitter.close();
  assert.is(await s.cluster.settle(outcome), "STOPPED");
  assert.is(await s.cluster.settle(s.submit("a", "y").catch(codeOf)), "STOPPED");
  assert.ok(s.cluster.clock.monotonicMs() - begun < 100);
});

on("sends nothing that does not fit any more when a leader is found", async (s) => {
  let fits = true;
  const requireFit = (): void => {
    if (!fits) throw new AgentError("GENERATION_SUPERSEDED", "of another history");
  };
  const waiting = ["a", "b", "c"].map((id) => s.submit(id, "x", 5000, requireFit).catch(codeOf));
  fits = false;
  const leader = await s.cluster.elected();
  const outcomes = await s.cluster.settle(Promise.all(waiting));
  assert.equal(outcomes, Array(3).fill("GENERATION_SUPERSEDED"));
  assert.is(s.forwarded, 0);
  assert.equal(leader.machine.commands, []);
});

on("says that the outcome is unknown of what was sent while it still fitted", async (s) => {
  await s.cluster.elected();
  const follower = must(s.cluster.followers()[0], "there are followers");
  let asked = 0;
  const requireFit = (): void => {
    asked += 1;
    if (asked > 1) throw new AgentError("GENERATION_SUPERSEDED", "of another history");
  };
  s.faults.push("lost-answer");
  const outcome = s.submit(follower.id, "x", 5000, requireFit).catch(codeOf);
  assert.is(await s.cluster.settle(outcome), "UNKNOWN_OUTCOME");
  assert.is(asked, 2);
});

on("takes no result of another generation for its own", async (s) => {
  await s.cluster.elected();
  const follower = must(s.cluster.followers()[0], "there are followers").consensus;
  let forwarded = 0;
  const submitter = new Submitter<string>({
    self: "z",
    node: Object.assign(Object.create(follower) as typeof follower, {
      status: () => follower.status(),
      onChange: () => () => undefined,
      generation: () => ({ ...follower.generation(), id: forwarded === 0 ? "g1" : "g2" }),
      waitApplied: () => Promise.resolve(),
      resultAt: () => (forwarded === 1 ? "of another" : "its own"),
    }),
    stamp: (request) => request,
    admit: (request) => request,
    forward: () => Promise.resolve({ index: 7, term: (forwarded += 1) }),
    clock: s.cluster.clock,
    random: seededRandom(7),
  });
  const applied = await s.cluster.settle(submitter.submit(Buffer.from("x"), 5000));
  assert.is(applied.result, "its own");
  assert.is(forwarded, 2);
  submitter.close();
});

on("says that the outcome is unknown of what was sent before it was closed", async (s) => {
  const leader = await s.cluster.elected();
  const follower = must(s.cluster.followers()[0], "there are followers");
  s.faults.push("lost-answer");
  const outcome = s.submit(follower.id, "x").catch(codeOf);
  await s.cluster.clock.advance(500);
  must(s.byNode.get(follower.id), "it runs").close();
  const begun = s.cluster.clock.monotonicMs();
  assert.is(await s.cluster.settle(outcome), "UNKNOWN_OUTCOME");
  assert.ok(s.cluster.clock.monotonicMs() - begun < 500);
  assert.equal(leader.machine.commands, ["x?"]);
});

on(
  "refuses when this agent, which leads, is stopped",
  async (s) => {
    const leader = await s.cluster.elected();
    await s.cluster.settle(leader.consensus.stop());
    const outcome = s.submit(leader.id, "x").catch(codeOf);
    assert.is(await s.cluster.settle(outcome), "STOPPED");
  },
  { driver: { transferOnStopMs: 0 } },
);

on("waits for nothing when a request cannot be stamped", async (s) => {
  const leader = await s.cluster.elected();
  const submitter = new Submitter<string>({
    self: leader.id,
    node: leader.consensus,
    stamp: () => {
      throw new AgentError("COMMAND_INVALID", "no command");
    },
    admit: (request) => request,
    forward: () => Promise.reject(new AgentError("PEER_UNREACHABLE", "away")),
    clock: s.cluster.clock,
    random: seededRandom(7),
  });
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", note);
  try {
    const answer = submitter.submit(Buffer.from("x"), 500).catch(codeOf);
    assert.is(await s.cluster.settle(answer), "COMMAND_INVALID");
    await s.cluster.clock.advance(1000); // Past the time at which its limit would strike.
    submitter.close();
    await s.cluster.clock.advance(10);
    assert.equal(unhandled, []);
  } finally {
    process.off("unhandledRejection", note);
  }
});

it.run();
