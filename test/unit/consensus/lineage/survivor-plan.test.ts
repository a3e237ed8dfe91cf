/** Who may go on without a quorum, and when: the rows of the failure matrix that survivor mode decides. */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  emptyConfiguration,
  simpleConfiguration,
} from "../../../../src/consensus/core/configuration.ts";
import { hasQuorum } from "../../../../src/consensus/core/quorum.ts";
import { type Configuration } from "../../../../src/consensus/core/types.ts";
import { forceConfiguration } from "../../../../src/consensus/lineage/force.ts";
import {
  bootstrapGeneration,
  childGeneration,
} from "../../../../src/consensus/lineage/generation.ts";
import { parseGeneration } from "../../../../src/consensus/lineage/lineage-codec.ts";
import { planSurvivors } from "../../../../src/consensus/lineage/survivor-plan.ts";
import {
  type ExitStatement,
  type Generation,
  type LineagePromise,
  type Proof,
  type SurvivorPlan,
  type SurvivorPolicy,
  type Survey,
} from "../../../../src/consensus/lineage/types.ts";

const it = suite("lineage: survivor plan");
const root = bootstrapGeneration("c");
const timers = { silenceMs: 30_000, coldMs: 120_000 };
const hour = 3_600_000;
const two = simpleConfiguration(["a", "b"]);
const three = simpleConfiguration(["a", "b", "c"]);
const five = simpleConfiguration(["a", "b", "c", "d", "e"]);

/** A member that is up for long, saw everybody, and whose peers outside `twoWay` are silent for `ms`. */
function survey(
  from: string,
  twoWay: readonly string[],
  configuration: Configuration,
  ms: number,
  change: Partial<Survey> = {},
): Survey {
  const others = configuration.sets.flat().filter((id) => id !== from && !twoWay.includes(id));
  return {
    ...{ from, generation: { n: 1, id: root.id }, promise: null, configuration, twoWay },
    ...{ lastTerm: 3, lastIndex: 100, commit: 100, leaderLast: 100 },
    silentMs: Object.fromEntries(others.map((id) => [id, ms])),
    ...{ outlived: others, proofs: [], chains: [[100, "x"]] },
    ...{
      storageOk: true,
      hasBegun: true,
      mayVote: true,
      held: false,
      hasCarrier: true,
      upMs: hour,
    },
    ...change,
  };
}

interface Asked {
  readonly policy?: SurvivorPolicy;
  readonly operator?: boolean;
  readonly hold?: boolean;
}

function plan(surveys: readonly Survey[], asked: Asked = {}): SurvivorPlan {
  const { policy = "silence", operator = false, hold = false } = asked;
  const self = surveys[0]?.from ?? "";
  return planSurvivors(surveys, self, { policy, timers }, { operator, hold });
}

const exit = (change: Partial<ExitStatement> = {}): ExitStatement => ({
  ...{ node: "a", nonce: "1", generation: { n: 1, id: root.id }, voters: ["a", "b"], term: 3 },
  ...{ lastTerm: 3, lastIndex: 100, chain: "x" },
  ...change,
});
const exited = (change: Partial<ExitStatement> = {}): Survey =>
  survey("b", [], two, 2000, { proofs: [{ kind: "exit", node: "a", statement: exit(change) }] });
/** A child of the first generation without "a", accepted under a ballot of `coordinator`. */
function acceptedWithoutA(id: string, coordinator: string): LineagePromise {
  const ballot = { counter: 1, node: coordinator };
  const child: Generation = {
    ...{ ...root, n: 2, id, parent: root.id, kind: "forced-auto", coordinator },
    ...{ members: ["b"], lost: ["a"], forkIndex: 100, forkTerm: 3 },
  };
  return { parent: root.id, ballot, accepted: { ballot, child } };
}
/** Held: its end was attested, and it may not take part before that is settled. */
const waiting = (from: string, ...twoWay: string[]): Survey =>
  survey(from, twoWay, two, 0, { held: true, storageOk: false });
const fenced = (node: string): Proof => ({ kind: "fence", node, generation: root });
/** All of three are here; "a" and "b" lost the end of their logs, "c" holds up to `last`. */
const forgetful = (last: number): readonly Survey[] => {
  const all = ["a", "b", "c"];
  return all.map((id) => {
    const here = { mayVote: id === "c", lastIndex: id === "c" ? last : 90 };
    return survey(id, all, three, 0, { ...here, proofs: [] });
  });
};
const cold = { outlived: [], upMs: 50_000 };

const rows: readonly (readonly [string, SurvivorPlan, Partial<SurvivorPlan>])[] = [
  [
    "2→1, the leader's host dies: waits for silence",
    plan([survey("b", [], two, 12_000)]),
    { act: false, waitMs: 18_000, kind: "forced-auto" },
  ],
  [
    "2→1, the leader's host dies: acts after it",
    plan([survey("b", [], two, 30_000)]),
    { act: true, survivors: ["b"], best: "b", outlived: true, missingAtMost: 0, waitMs: null },
  ],
  [
    "2→1, the leader's process crashes: the attested exit is a proof",
    plan([exited()], { policy: "proof" }),
    { act: true, kind: "forced-proof", missingAtMost: 0 },
  ],
  [
    "an attested exit with entries that the survivor lacks is none",
    plan([exited({ lastIndex: 101 })], { policy: "proof" }),
    { act: false, kind: "forced-auto", waitMs: null },
  ],
  [
    "an attested exit with another log is none",
    plan([exited({ chain: "y" })], { policy: "proof" }),
    { act: false },
  ],
  [
    "an attested exit of a leader that had evicted the survivor is none",
    plan([exited({ voters: ["a"] })], { policy: "proof" }),
    { act: false },
  ],
  [
    "an attested exit of another generation is none",
    plan([exited({ generation: { n: 2, id: "f" } })], { policy: "proof" }),
    { act: false },
  ],
  [
    "an attested exit is named, so that who renounced it takes no part",
    plan([exited()]),
    { exits: ["1"] },
  ],
  [
    "a crash between two steps of a ballot: what was accepted is finished, though the one given up is back and waits",
    plan([survey("b", ["a"], two, 0, { promise: acceptedWithoutA("x", "b") }), waiting("a", "b")]),
    { act: true, survivors: ["b"], kind: "forced-auto" },
  ],
  [
    "who waits is waited for while nothing was accepted",
    plan([survey("b", ["a"], two, 0), waiting("a", "b")]),
    { act: false },
  ],
  [
    "two that accepted different children, and a third that is silent for long: one of them goes on",
    plan([
      survey("b", ["c"], three, hour, { promise: acceptedWithoutA("x", "b") }),
      survey("c", ["b"], three, hour, { promise: acceptedWithoutA("y", "a") }),
    ]),
    { act: true, survivors: ["b"], best: "b", kind: "forced-auto" },
  ],
  [
    "2→1, while a third has started over and has nothing yet: it is not awaited",
    plan([
      survey("b", ["a"], { ...simpleConfiguration(["b", "c"]), standbys: ["a"] }, 30_000),
      survey("a", ["b"], emptyConfiguration, 0, { lastIndex: 0, lastTerm: 0, mayVote: false }),
    ]),
    { act: true, survivors: ["b"] },
  ],
  [
    "2→1, while a voter that answers has lost everything: it is awaited",
    plan([
      survey("b", ["a"], three, 30_000),
      survey("a", ["b"], emptyConfiguration, 0, { lastIndex: 0, lastTerm: 0, mayVote: false }),
    ]),
    { act: false },
  ],
  [
    "2→1, the leader was fenced",
    plan([survey("b", [], two, 100, { proofs: [{ kind: "fence", node: "a", generation: root }] })]),
    { act: true, kind: "forced-proof" },
  ],
  [
    "two of three were fenced: they can elect a leader when they are on again, so nothing is proven for good",
    plan([survey("c", [], three, 100, { proofs: ["a", "b"].map(fenced) })]),
    { act: true, kind: "forced-auto" },
  ],
  [
    "one of three was fenced, and another's exit is attested: the fenced one alone elects nobody",
    plan([
      survey("c", [], three, 100, {
        proofs: [
          fenced("a"),
          { kind: "exit", node: "b", statement: exit({ node: "b", voters: ["a", "b", "c"] }) },
        ],
      }),
    ]),
    { act: true, kind: "forced-proof" },
  ],
  [
    "two of three disks forgot what nobody else has: only an operator goes on without it",
    plan(forgetful(97)),
    { act: false, waitMs: null, kind: "forced-auto", missingAtMost: 3 },
  ],
  [
    "an operator goes on without it, and is told how much it is",
    plan(forgetful(97), { operator: true }),
    { act: true, kind: "forced-operator", missingAtMost: 3 },
  ],
  [
    "two of three disks forgot what the third has",
    plan(forgetful(100)),
    { act: true, survivors: ["a", "b", "c"], best: "c", missingAtMost: 0 },
  ],
  [
    "who left for another generation need not be silent, but may have acknowledged more",
    plan([
      survey("b", [], two, 0, { proofs: [{ kind: "departed", node: "a", generation: root }] }),
    ]),
    { act: true, kind: "forced-auto" },
  ],
  [
    "3 nodes, 2 die together",
    plan([survey("c", [], three, 31_000, { lastIndex: 97, leaderLast: 99 })]),
    { act: true, survivors: ["c"], missingAtMost: 2, majorityOfAll: false },
  ],
  [
    "5 nodes, partition 2/3: the majority elects",
    plan(["a", "b", "c"].map((id) => survey(id, ["a", "b", "c"], five, hour))),
    { act: false, waitMs: null },
  ],
  [
    "5 nodes, partition 2/3: the minority goes on after silence, from the better log",
    plan([
      survey("d", ["e"], five, 40_000, { lastTerm: 2, lastIndex: 400 }),
      survey("e", ["d"], five, 35_000),
    ]),
    { act: true, survivors: ["d", "e"], best: "e", kind: "forced-auto" },
  ],
  [
    "one of the silent is still heard by somebody of the group",
    plan([survey("d", ["e"], five, 40_000), survey("e", ["d", "a"], five, 40_000)]),
    { act: false, waitMs: 30_000 },
  ],
  [
    "all power-cycled, all return: they elect",
    plan(["a", "b", "c"].map((id) => survey(id, ["a", "b", "c"], three, 0, cold))),
    { act: false, waitMs: null },
  ],
  [
    "all power-cycled, only one returns: waits for the others",
    plan([survey("a", [], three, 50_000, cold)]),
    { act: false, waitMs: 70_000, outlived: false },
  ],
  [
    "all power-cycled, only one returns: goes on after the cold wait, and says so",
    plan([survey("a", [], three, 120_000, { ...cold, upMs: 120_000 })]),
    { act: true, outlived: false, kind: "forced-auto" },
  ],
  [
    "a cold start under proof waits for the operator",
    plan([survey("a", [], three, hour, { ...cold, upMs: hour })], { policy: "proof" }),
    { act: false, waitMs: null },
  ],
  [
    "one that just started does not shorten what the other knows",
    plan([
      survey("d", ["e"], five, 40_000),
      survey("e", ["d"], five, 5000, { outlived: [], upMs: 5000 }),
    ]),
    { act: true, outlived: true },
  ],
  [
    "without a carrier the wait is doubled",
    plan([survey("b", [], two, 40_000, { hasCarrier: false })]),
    { act: false, waitMs: 20_000 },
  ],
  [
    "survivor.auto off",
    plan([survey("b", [], two, hour)], { policy: "off" }),
    { act: false, waitMs: null },
  ],
  [
    "survivor.hold",
    plan([survey("b", [], two, hour)], { hold: true }),
    { act: false, waitMs: null },
  ],
  [
    "the operator waits for nothing",
    plan([survey("b", [], two, 10)], { policy: "off", hold: true, operator: true }),
    { act: true, kind: "forced-operator" },
  ],
  [
    "the operator cannot force beside a quorum",
    plan([survey("a", ["b"], three, 10), survey("b", ["a"], three, 10)], { operator: true }),
    { act: false },
  ],
  [
    "a damaged log never goes on, whoever asks",
    plan([survey("b", [], two, hour, { storageOk: false })], { operator: true }),
    { act: false },
  ],
  [
    "a survivor with a damaged log is left out",
    plan([
      survey("d", ["e"], five, hour),
      survey("e", ["d"], five, hour, { storageOk: false, lastIndex: 900 }),
    ]),
    { survivors: ["d"], best: "d" },
  ],
  [
    "one-way contact is none",
    plan([survey("d", ["e"], five, hour), survey("e", [], five, hour)]),
    { survivors: ["d"] },
  ],
];

for (const [title, made, expected] of rows) {
  it(title, () => assert.equal({ ...made, ...expected }, made));
}

const accepted = (id: string, forkIndex = 100): LineagePromise => {
  const fork = { forkIndex, forkTerm: 3 };
  const child: Generation = { ...root, id, n: 2, parent: root.id, kind: "forced-auto", ...fork };
  const ballot = { counter: 1, node: "d" };
  return { parent: root.id, ballot, accepted: { ballot, child } };
};

it("finishes a child that a survivor accepted, and separates those that accepted different ones", () => {
  const mates = ["d", "e"];
  const half = plan([
    survey("d", mates, five, hour, { promise: accepted("x") }),
    survey("e", mates, five, hour),
  ]);
  assert.is(half.finish?.id, "x");
  const torn = plan([
    survey("d", mates, five, hour, { promise: accepted("x") }),
    survey("e", mates, five, hour, { promise: accepted("y") }),
  ]);
  assert.is(torn.survivors.length, 1);
});

it("finishes no child that lacks what a survivor has, and does not wait for who accepted it", () => {
  const early = survey("c", ["a", "b"], three, 0, {
    ...{ promise: accepted("x", 40), lastIndex: 40, commit: 40 },
  });
  const two = ["a", "b"].map((id) => survey(id, ["a", "b", "c"], three, 0));
  const quorum = plan([...two, early]);
  assert.equal([quorum.act, quorum.survivors, quorum.finish], [false, ["a", "b"], null]);
  const one = plan([survey("b", ["c"], three, 30_000), early]);
  assert.equal([one.act, one.survivors, one.best, one.finish], [true, ["b"], "b", null]);
  const mine = plan([early, survey("b", ["c"], three, 30_000)]);
  assert.is(mine.best, "b", "and who accepted it does nothing itself");
});

it("does not count on votes that were promised away", () => {
  const all = ["a", "b", "c"];
  const promise = { parent: root.id, ballot: { counter: 1, node: "a" }, accepted: null };
  const made = plan(all.map((id) => survey(id, all, three, 0, id === "c" ? {} : { promise })));
  assert.ok(made.act);
  assert.equal(made.lost, []);
  assert.is(made.kind, "forced-proof");
});

const names = ["a", "b", "c", "d", "e", "f", "g"];
const world = fc.record({
  voters: fc.shuffledSubarray(names, { minLength: 1, maxLength: 5 }),
  links: fc.array(fc.tuple(fc.constantFrom(...names), fc.constantFrom(...names)), {
    maxLength: 60,
  }),
  logs: fc.array(fc.tuple(fc.nat(3), fc.nat(5)), { minLength: 7, maxLength: 7 }),
  operator: fc.boolean(),
  ms: fc.constantFrom(0, 29_999, 30_000, hour),
});

it("all who have the same surveys make the same plan, within its rules", () => {
  const property = fc.property(world, ({ voters, links, logs, operator, ms }) => {
    const configuration = {
      ...emptyConfiguration,
      sets: [[...voters].sort()],
      standbys: names.filter((id) => !voters.includes(id)),
    };
    const surveys = names.map((id, i) => {
      const twoWay = [...new Set(links.filter(([from]) => from === id).map(([, to]) => to))];
      const [lastTerm = 0, lastIndex = 0] = logs[i] ?? [];
      return survey(id, twoWay, configuration, ms, { lastTerm, lastIndex });
    });
    const made = surveys.map(({ from }) =>
      planSurvivors(surveys, from, { policy: "silence", timers }, { operator, hold: false }),
    );
    const [first] = made;
    if (first === undefined) return false;
    for (const other of made) assert.equal(other, first);
    const group = surveys.filter(({ from }) => first.survivors.includes(from));
    const linked = (a: Survey, b: Survey): boolean => a === b || a.twoWay.includes(b.from);
    assert.ok(
      group.every((a) => group.every((b) => linked(a, b))),
      "all can talk to each other",
    );
    const rank = (one: Survey): number => one.lastTerm * 1000 + one.lastIndex;
    const best = group.find(({ from }) => from === first.best);
    assert.is(rank(best ?? group[0] ?? survey("", [], two, 0)), Math.max(...surveys.map(rank)));
    const quorum = hasQuorum(configuration.sets, (id) => first.survivors.includes(id));
    if (quorum) assert.is(first.act, false);
    else if (operator) assert.is(first.act, true);
    return true;
  });
  fc.assert(property, { numRuns: 300 });
});

it("an observer survives as well as any other, but not who has nothing yet", () => {
  const named = [survey("a", ["o", "p"], three, hour), survey("b", [], three, hour)];
  const observer = survey("o", ["a"], three, hour, { lastIndex: 101 });
  const fresh = survey("p", ["a", "o"], emptyConfiguration, hour, { lastTerm: 0, lastIndex: 0 });
  const together = plan([...named, observer, fresh]);
  assert.equal([together.survivors, together.best, together.act], [["a", "o"], "o", true]);
  assert.is(together.majorityOfAll, false, "observers do not make a majority");
  const alone = plan([{ ...observer, ...survey("o", [], three, hour) }]);
  assert.equal([alone.survivors, alone.best, alone.act], [["o"], "o", true]);
  assert.equal(
    alone.lost.map(({ id }) => id),
    ["a", "b", "c"],
  );
  assert.is(plan([fresh]).act, false);
  assert.equal(forceConfiguration(three, { members: ["a", "o"], coordinator: "o" }, 102).sets, [
    ["a", "o"],
  ]);
});

it("makes a child and its configuration from a plan", () => {
  const made = plan([survey("d", ["e"], five, hour), survey("e", ["d"], five, hour)]);
  const fork = { index: 100, term: 3, chain: "x", commit: 120 };
  const child = childGeneration(made, fork, { id: "0".repeat(32), at: 5 });
  assert.equal(child, {
    ...{ n: 2, id: "0".repeat(32), parent: root.id, kind: "forced-auto", at: 5 },
    ...{ forkIndex: 100, forkTerm: 3, forkChain: "x", legitCommit: 100, members: ["d", "e"] },
    ...{ coordinator: "d", lost: ["a", "b", "c"], outlived: true, missingAtMost: 0 },
  });
  const forced = forceConfiguration(five, child, 101);
  assert.equal(forced, {
    ...{ index: 101, sets: [["d", "e"]], standbys: [], standbysNext: [], observers: [] },
    ...{ lost: ["a", "b", "c"], autoLeave: false },
  });
});

it("does not wait for a held agent that itself waits for a generation that cannot be finished", () => {
  const accepted = acceptedWithoutA("2".repeat(32), "b").accepted;
  assert.ok(accepted);
  const child = { ...accepted.child, members: ["b", "c", "d"], lost: ["a", "e"], forkIndex: 80 };
  const promise = { parent: root.id, ballot: accepted.ballot, accepted: { ...accepted, child } };
  const all = survey("e", names.slice(0, 4), five, 0);
  const held = survey("a", ["b", "c", "d", "e"], five, 0, { held: true, storageOk: false });
  const others = ["b", "c", "d"].map((id) =>
    survey(id, names.slice(0, 5), five, 0, { promise, lastIndex: 80, commit: 80, chains: [] }),
  );
  const made = plan([all, held, ...others]);
  assert.equal([made.act, made.survivors, made.kind], [true, ["e"], "forced-auto"]);
  const without = plan([all, held, ...others.map((one) => ({ ...one, promise: null }))]);
  assert.is(without.act, false);
});

it("takes it for a departure that a voter says it left this generation, wherever it is", () => {
  const generation = { n: 2, id: "2".repeat(32) };
  const stays = survey("b", ["a"], two, 0, { generation });
  const gone = survey("a", ["b"], two, 0, { lastTerm: 0, lastIndex: 0, left: [generation.id] });
  const made = plan([stays, gone], { policy: "proof" });
  assert.equal([made.act, made.survivors, made.kind], [true, ["b"], "forced-auto"]);
  assert.equal(
    made.lost.map(({ proof }) => proof),
    ["departed"],
  );
  assert.is(plan([stays, { ...gone, left: [] }]).act, false, "it may still follow");
  const odd = { ...gone, generation, storageOk: false };
  assert.is(plan([stays, odd]).lost[0]?.proof, null, "who is here did not leave");
});

it("agrees with nobody on a child that a survivor was in before and left", () => {
  const promise = acceptedWithoutA("2".repeat(32), "b");
  const left = ["2".repeat(32)];
  const accepted = survey("b", ["c"], three, hour, { promise });
  const better = plan([survey("c", ["b"], three, hour, { left, lastIndex: 101 }), accepted]);
  assert.equal([better.survivors, better.finish, better.act], [["c"], null, true]);
  const third = [
    survey("a", ["c"], five, hour, { left, lastIndex: 80 }),
    survey("b", ["c"], five, hour, { promise, lastIndex: 90 }),
    survey("c", ["a", "b"], five, hour),
  ];
  const mixed = plan(third);
  assert.equal(
    [mixed.survivors, mixed.best, mixed.act],
    [["a", "c"], "c", true],
    "b is not awaited",
  );
  const longer = { left, lastIndex: 98, mayVote: false };
  const back = [{ ...accepted, lastIndex: 90 }, survey("c", ["b"], three, hour, longer)];
  const finished = plan(back);
  assert.equal([finished.survivors, finished.finish?.id, finished.act], [["b"], left[0], true]);
  const equal = plan([accepted, survey("c", ["b"], three, hour, { left, lastIndex: 99 })]);
  assert.equal([equal.survivors, equal.finish?.id, equal.act], [["b"], left[0], true]);
});

it("prefers voters to a member that has not heard of them yet", () => {
  const now = simpleConfiguration(["b", "d"]);
  const behind = { lastTerm: 1, lastIndex: 26 };
  const promise = acceptedWithoutA("2".repeat(32), "d");
  const made = plan([
    survey("b", ["a", "d"], now, 0, { promise }),
    survey("d", ["b"], now, 0, { promise }),
    survey("a", ["b"], three, 0, behind),
  ]);
  assert.equal([made.survivors, made.finish?.id, made.act], [["b", "d"], "2".repeat(32), true]);
});

it("gives no vote to a survivor that started over and has not caught up, nor makes it a reason to wait", () => {
  const behind = { lastTerm: 1, lastIndex: 82, mayVote: false, chains: [] };
  const made = plan([survey("a", ["b"], two, 0), survey("b", ["a"], two, 0, behind)]);
  assert.equal([made.act, made.survivors, made.abstaining], [true, ["a", "b"], ["b"]]);
  const fork = { index: 100, term: 3, chain: "x", commit: 100 };
  const child = childGeneration(made, fork, { id: "0".repeat(32), at: 5 });
  const { sets, standbys, lost } = forceConfiguration(two, child, 101);
  assert.equal([sets, standbys, lost], [[["a"]], ["b"], []]);
  assert.equal(parseGeneration(structuredClone({ ...child, forkChain: "" })), {
    ...child,
    forkChain: "",
  });
  assert.is(parseGeneration({ ...child, forkChain: "", abstaining: "b" }), null);
});

it("lets an odd number of at most five vote, the best log among them", () => {
  const many = { ...five, standbys: ["f", "g"], observers: ["h", "i", "j", "k", "l", "m"] };
  const all = [...names, "h", "i", "j", "k", "l", "m"];
  const forced = forceConfiguration(many, { members: all, coordinator: "m" }, 7);
  assert.equal(forced.sets, [["a", "b", "c", "d", "m"]]);
  assert.equal(forced.standbys, ["e", "f", "g", "h", "i"]);
  assert.equal(forced.observers, [], "whoever has no place follows its neighbours");
  const sizes = [1, 2, 3, 4].map((n) =>
    forceConfiguration(many, { members: all.slice(0, n), coordinator: "a" }, 7),
  );
  assert.equal(
    sizes.map(({ sets, standbys }) => [sets[0]?.length, standbys.length]),
    [
      [1, 0],
      [2, 0],
      [3, 0],
      [3, 1],
    ],
  );
});

it.run();
