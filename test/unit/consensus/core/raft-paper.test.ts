/**
 * One test per paragraph of "In Search of an Understandable Consensus Algorithm" (extended version), in the manner of
 * etcd's raft_paper_test: the titles say what the cited section demands.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultCoreOptions } from "../../../../src/consensus/core/options.ts";
import { type Message } from "../../../../src/consensus/core/types.ts";
import {
  append,
  appendResp,
  Bench,
  entriesOf,
  heartbeat,
  vote,
  voteResp,
} from "../../../support/core-bench.ts";
import { TestNetwork, text, textOf } from "../../../support/core-network.ts";

const it = suite("raft paper");
const electionTicks = 20;
const { heartbeatTicks } = defaultCoreOptions;

const roles = {
  follower: () => new Bench({ hardState: { term: 1 } }),
  candidate: () => {
    const bench = new Bench();
    bench.becomeCandidate();
    return bench;
  },
  leader: () => {
    const bench = new Bench();
    bench.becomeLeader();
    return bench;
  },
};

for (const [role, make] of Object.entries(roles)) {
  it(`§5.1 a ${role} that sees a newer term becomes follower of that term`, () => {
    const bench = make();
    assert.is(bench.status.role, role);
    bench.step(append("b", "a", { term: 2, prevIndex: 0, prevTerm: 0 }));
    assert.is(bench.status.term, 2);
    assert.is(bench.status.role, "follower");
    assert.is(bench.status.leader, "b");
  });
}

it("§5.1 a request of an old term is refused and changes nothing", () => {
  const bench = new Bench({ log: [2], hardState: { term: 2 } });
  const answers = bench.step(
    append("b", "a", { term: 1, prevIndex: 1, prevTerm: 1, entries: entriesOf([1], 2) }),
  );
  assert.is(bench.status.last, 1);
  assert.equal(
    answers.map(({ type, term }) => [type, term]),
    [["AppendResp", 2]],
  );
});

it("§5.2 a server starts as a follower", () => {
  assert.is(new Bench().status.role, "follower");
});

it("§5.2 a leader sends heartbeats to all followers in each heartbeat interval", () => {
  const bench = roles.leader();
  bench.take();
  const beats = bench.tick(heartbeatTicks).filter(({ type }) => type === "Heartbeat");
  assert.equal(beats.map(({ to }) => to).sort(), ["b", "c"]);
});

function assertStartsElection(bench: Bench): void {
  const before = bench.status.term;
  // The straw poll comes first and leaves the term alone (dissertation §9.6).
  const polls = bench.tick(2 * electionTicks).filter(({ type }) => type === "PreVote");
  assert.equal(
    polls
      .slice(0, 2)
      .map(({ to }) => to)
      .sort(),
    ["b", "c"],
  );
  assert.is(bench.status.term, before);
  const term = before + 1;
  const granted = { type: "PreVoteResp", from: "b", to: "a", term, granted: true } as const;
  const requests = bench.step({ ...granted, requestTerm: term });
  assert.is(bench.status.role, "candidate");
  assert.is(bench.status.term, term);
  assert.is(bench.status.vote, "a", "it votes for itself");
  assert.equal(requests.map((message) => [message.type, message.to, message.term]).sort(), [
    ["Vote", "b", term],
    ["Vote", "c", term],
  ]);
}

it("§5.2 a follower that hears nothing for an election timeout stands for election", () => {
  assertStartsElection(roles.follower());
});

it("§5.2 a candidate whose election has no winner stands again in a new term", () => {
  assertStartsElection(roles.candidate());
});

it("§5.2 a candidate wins with the votes of a majority, and only then", () => {
  const cases: readonly [size: number, grants: number, refusals: number, role: string][] = [
    [1, 0, 0, "leader"],
    [3, 2, 0, "leader"],
    [3, 1, 0, "leader"],
    [5, 4, 0, "leader"],
    [5, 3, 0, "leader"],
    [5, 2, 0, "leader"],
    [3, 0, 2, "follower"],
    [5, 0, 4, "follower"],
    [5, 1, 3, "follower"],
    [3, 0, 0, "candidate"],
    [5, 1, 0, "candidate"],
    [5, 0, 2, "candidate"],
    [5, 0, 0, "candidate"],
  ];
  for (const [size, grants, refusals, role] of cases) {
    const voters = ["a", "b", "c", "d", "e"].slice(0, size);
    const bench = new Bench({ voters });
    bench.becomeCandidate();
    for (const [i, from] of voters.slice(1, 1 + grants + refusals).entries()) {
      bench.step(voteResp(from, "a", { term: 1, granted: i < grants }));
    }
    assert.is(bench.status.role, role, `${size} voters, ${grants} grants, ${refusals} refusals`);
  }
});

it("§5.2 a follower votes for at most one candidate in a term, first come first served", () => {
  const cases: readonly [vote: string | null, candidate: string, granted: boolean][] = [
    [null, "b", true],
    [null, "c", true],
    ["b", "b", true],
    ["c", "c", true],
    ["b", "c", false],
    ["c", "b", false],
  ];
  for (const [voted, candidate, granted] of cases) {
    const bench = new Bench({ hardState: { term: 1, vote: voted } });
    const [answer] = bench.step(vote(candidate, "a", { term: 1, lastIndex: 0, lastTerm: 0 }));
    assert.ok(answer?.type === "VoteResp");
    assert.is(answer.granted, granted, `voted for ${voted ?? "nobody"}, asked by ${candidate}`);
  }
});

it("§5.2 a candidate that hears a leader of its own or a newer term follows it", () => {
  for (const term of [1, 2]) {
    const bench = roles.candidate();
    bench.step(append("b", "a", { term, prevIndex: 0, prevTerm: 0 }));
    assert.is(bench.status.role, "follower");
    assert.is(bench.status.term, term);
    assert.is(bench.status.leader, "b");
  }
});

/** Ticks until a straw poll leaves, for each of many draws. */
function timeouts(make: (random: () => number) => Bench): readonly number[] {
  return Array.from({ length: electionTicks }, (_, draw) => {
    const bench = make(() => draw / electionTicks);
    for (let ticks = 1; ticks <= 3 * electionTicks; ticks += 1) {
      if (bench.tick(1).some(({ type }) => type === "PreVote")) return ticks;
    }
    return -1;
  });
}

const timedFollower = (random: () => number): Bench => new Bench({ options: { random } });
const timedCandidate = (random: () => number): Bench => {
  const bench = timedFollower(random);
  bench.becomeCandidate();
  return bench;
};

for (const [role, make] of [
  ["follower", timedFollower],
  ["candidate", timedCandidate],
] as const) {
  it(`§5.2 a ${role}'s election timeout is drawn anew from [T, 2T)`, () => {
    const seen = timeouts(make);
    for (let ticks = electionTicks; ticks < 2 * electionTicks; ticks += 1) {
      assert.ok(seen.includes(ticks), `some timeout takes ${ticks} ticks`);
    }
    assert.is(Math.min(...seen), electionTicks);
    assert.is(Math.max(...seen), 2 * electionTicks - 1);
  });

  it(`§5.2 the timeouts of several ${role}s seldom coincide`, () => {
    let state = 12_345;
    const random = (): number => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return state / 2 ** 31;
    };
    let conflicts = 0;
    for (let round = 0; round < 300; round += 1) {
      const benches = Array.from({ length: 5 }, () => make(random));
      let polls = 0;
      while (polls === 0) {
        for (const bench of benches) {
          if (bench.tick(1).some(({ type }) => type === "PreVote")) polls += 1;
        }
      }
      if (polls > 1) conflicts += 1;
    }
    assert.ok(conflicts < 0.4 * 300, `${conflicts} of 300 elections began twice`);
  });
}

/** A leader of term 1 whose noop everybody has. */
function settledLeader(voters: readonly string[] = ["a", "b", "c"]): Bench {
  const bench = new Bench({ voters });
  bench.becomeLeader();
  bench.acknowledgeAll();
  bench.take();
  return bench;
}

it("§5.3 a leader appends a proposal to its log and sends it to all followers at once", () => {
  const bench = settledLeader();
  bench.core.propose([text("x")]);
  const sent = bench.takeOf("Append");
  assert.equal(sent.map(({ to }) => to).sort(), ["b", "c"]);
  for (const { prevIndex, prevTerm, entries } of sent) {
    assert.equal([prevIndex, prevTerm], [1, 1], "the entry before is named for the check");
    assert.equal(entries.map(textOf), ["x"]);
  }
  assert.is(bench.status.last, 2);
  assert.is(bench.status.commit, 1, "nothing is committed by sending");
});

it("§5.3 a leader applies an entry once it is safely replicated, and tells the followers", () => {
  const bench = settledLeader();
  bench.core.propose([text("x")]);
  bench.take();
  const news = bench.step(appendResp("b", "a", { term: 1, index: 2 }));
  assert.is(bench.status.commit, 2);
  assert.is(bench.node.applied.map(textOf).at(-1), "x");
  const told = news.filter((message) => message.type === "Append" && message.commit === 2);
  assert.ok(told.length >= 1);
});

it("§5.3 an entry is committed when a majority has it, the leader included", () => {
  const cases: readonly [size: number, acks: number, committed: boolean][] = [
    [1, 0, true],
    [3, 0, false],
    [3, 1, true],
    [3, 2, true],
    [5, 0, false],
    [5, 1, false],
    [5, 2, true],
    [5, 3, true],
    [5, 4, true],
  ];
  for (const [size, acks, committed] of cases) {
    const voters = ["a", "b", "c", "d", "e"].slice(0, size);
    const bench = settledLeader(voters);
    bench.core.propose([text("x")]);
    bench.take();
    for (const from of voters.slice(1, 1 + acks)) {
      bench.step(appendResp(from, "a", { term: 1, index: 2 }));
    }
    assert.is(bench.status.commit >= 2, committed, `${acks} acknowledgements in ${size}`);
  }
});

it("§5.3 committing an entry commits all before it, those of earlier leaders too", () => {
  for (const log of [[], [2], [1, 2], [1]]) {
    const bench = new Bench({ log, hardState: { term: 2 } });
    bench.becomeLeader();
    bench.core.propose([text("x")]);
    bench.take();
    bench.acknowledgeAll();
    const terms = bench.node.applied.map(({ term }) => term);
    assert.equal(terms, [...log, 3, 3], `after a log of ${log.join(",")}`);
  }
});

it("§5.3 a follower applies entries when it learns that they are committed, in order", () => {
  for (const commit of [1, 2, 3, 4]) {
    const bench = new Bench({ hardState: { term: 1 } });
    const entries = entriesOf([1, 1, 1, 1]);
    bench.step(append("b", "a", { term: 1, prevIndex: 0, prevTerm: 0, entries, commit }));
    assert.equal(
      bench.node.applied.map(({ index }) => index),
      [1, 2, 3, 4].slice(0, commit),
    );
  }
});

it("§5.3 a follower refuses entries when its log lacks the one before", () => {
  const cases: readonly [prevTerm: number, prevIndex: number, ok: boolean][] = [
    [0, 0, true],
    [1, 1, true],
    [2, 2, true],
    [1, 2, false],
    [3, 3, false],
  ];
  for (const [prevTerm, prevIndex, ok] of cases) {
    const bench = new Bench({ log: [1, 2], hardState: { term: 2, commit: 1 } });
    const [answer] = bench.step(append("b", "a", { term: 3, prevIndex, prevTerm }));
    assert.ok(answer?.type === "AppendResp");
    assert.is(answer.ok, ok, `after ${prevIndex}/${prevTerm}`);
  }
});

it("§5.3 a follower deletes entries that conflict with the leader's, and appends the new", () => {
  const cases: readonly {
    readonly prev: readonly [index: number, term: number];
    readonly sent: readonly number[];
    readonly result: readonly number[];
  }[] = [
    { prev: [2, 2], sent: [3], result: [1, 2, 3] },
    { prev: [1, 1], sent: [3, 4], result: [1, 3, 4] },
    { prev: [0, 0], sent: [1], result: [1, 2] },
    { prev: [0, 0], sent: [3], result: [3] },
  ];
  for (const { prev, sent, result } of cases) {
    const bench = new Bench({ hardState: { term: 2 } });
    bench.step(
      append("b", "a", { term: 2, prevIndex: 0, prevTerm: 0, entries: entriesOf([1, 2]) }),
    );
    const [prevIndex, prevTerm] = prev;
    const entries = entriesOf(sent, prevIndex + 1);
    bench.step(append("c", "a", { term: 4, prevIndex, prevTerm, entries }));
    assert.equal(bench.logTerms, result);
  }
});

it("§5.3 figure 7: a leader brings every follower's log in line with its own", () => {
  const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  const followers = [
    [1, 1, 1, 4, 4, 5, 5, 6, 6],
    [1, 1, 1, 4],
    [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
    [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    [1, 1, 1, 4, 4, 4, 4],
    [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
  ];
  for (const [i, log] of followers.entries()) {
    const a = new Bench({ log: leader, hardState: { term: 8, commit: 3 } });
    const b = new Bench({ self: "b", log, hardState: { term: 8, commit: 3 } });
    // The third voter's log is as short as can be: a may win with its vote.
    a.becomeCandidate();
    let pending: Message[] = [...a.step(voteResp("c", "a", { term: 9 }))];
    for (let round = 0; round < 50 && pending.length > 0; round += 1) {
      const answers = pending.filter(({ to }) => to === "b").flatMap((message) => b.step(message));
      pending = answers.flatMap((message) => [...a.step(message)]);
    }
    assert.is(b.status.last, leader.length + 1, `follower ${i}`);
    assert.is(a.status.peers.get("b")?.match, leader.length + 1);
    b.step(heartbeat("a", "b", { term: 9, commit: leader.length + 1 }));
    assert.equal(
      b.node.applied.map(({ term }) => term),
      [...leader, 9],
      `follower ${i} applies the leader's log`,
    );
  }
});

it("§5.4.1 a vote request says how up to date the candidate's log is", () => {
  for (const log of [[1], [1, 2]]) {
    const bench = new Bench({ log, hardState: { term: 4 } });
    const requests = bench.becomeCandidate();
    assert.equal(requests.map(({ to }) => to).sort(), ["b", "c"]);
    for (const request of requests) {
      assert.ok(request.type === "Vote");
      assert.equal([request.lastIndex, request.lastTerm], [log.length, log.at(-1)]);
    }
  }
});

it("§5.4.1 a voter refuses a candidate whose log is less up to date than its own", () => {
  const cases: readonly {
    readonly own: readonly number[];
    readonly last: readonly [term: number, index: number];
    readonly granted: boolean;
  }[] = [
    { own: [1], last: [1, 1], granted: true },
    { own: [1], last: [1, 2], granted: true },
    { own: [1, 1], last: [1, 1], granted: false },
    { own: [1], last: [2, 1], granted: true },
    { own: [1], last: [2, 2], granted: true },
    { own: [1, 1], last: [2, 1], granted: true },
    { own: [2], last: [1, 1], granted: false },
    { own: [2], last: [1, 2], granted: false },
    { own: [1, 2], last: [1, 1], granted: false },
  ];
  for (const { own, last, granted } of cases) {
    const [lastTerm, lastIndex] = last;
    const bench = new Bench({ log: own });
    const [answer] = bench.step(vote("b", "a", { term: 3, lastIndex, lastTerm }));
    assert.ok(answer?.type === "VoteResp");
    assert.is(answer.granted, granted, `own ${own.join(",")}, candidate ${lastIndex}/${lastTerm}`);
  }
});

it("§5.4.2 a leader commits by counting only entries of its own term", () => {
  for (const [index, commit] of [
    [1, 0],
    [2, 0],
    [3, 3],
  ] as const) {
    const bench = new Bench({ log: [1, 2], hardState: { term: 2 } });
    bench.becomeLeader();
    bench.step(appendResp("b", "a", { term: 3, index }));
    assert.is(bench.status.commit, commit, `after an acknowledgement of ${index}`);
  }
});

it("§5.2 in a perfect network one election yields one leader that all follow", () => {
  const network = new TestNetwork({ voters: ["a", "b", "c", "d", "e"] });
  network.tick(2 * electionTicks);
  const states = [...network.nodes.values()].map(({ core }) => core.status());
  const leaders = states.filter(({ role }) => role === "leader");
  assert.is(leaders.length, 1);
  assert.ok(states.every(({ leader, term }) => term === 1 && leader === states[0]?.leader));
});

it.run();
