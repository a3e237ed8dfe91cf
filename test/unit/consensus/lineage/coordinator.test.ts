/**
 * What the coordinator alone decides: hosts are turned off only when that is what going on waits for, and never against
 * the operator's word; who may not act in its generation comes back to a quorum of it by starting over.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { Coordinator } from "../../../../src/consensus/lineage/coordinator.ts";
import { defaultTimings } from "../../../../src/consensus/lineage/coordinator-timings.ts";
import {
  type CoordinatorEffect,
  type LocalFacts,
  type SurvivorSettings,
} from "../../../../src/consensus/lineage/coordinator-types.ts";
import {
  bootstrapGeneration,
  bootstrapLineage,
} from "../../../../src/consensus/lineage/generation.ts";
import { type Generation } from "../../../../src/consensus/lineage/types.ts";

const it = suite("lineage: coordinator");
const settings: SurvivorSettings = {
  policy: "silence",
  timers: { silenceMs: 30_000, coldMs: 120_000 },
  hold: false,
  fence: true,
};

function begin(): Coordinator {
  return new Coordinator({
    ...{ self: "b", clusterId: "c", timings: defaultTimings },
    ...{ newId: () => "0".repeat(32), wallMs: () => 0 },
  });
}

/** "b" has heard nobody since the clock began. */
function factsAt(now: number, change: Partial<LocalFacts> = {}): LocalFacts {
  return {
    lineage: bootstrapLineage("c"),
    ...{ leader: null, term: 2, lastTerm: 2, lastIndex: 9, commit: 9, leaderLast: 9 },
    configuration: { ...simpleConfiguration(["a", "b"]), standbys: ["s"] },
    chainAt: () => "x",
    admitted: ["a", "b", "s"],
    neighbours: [],
    heardMs: new Map([
      ["a", now],
      ["s", now],
    ]),
    ...{ storageOk: true, hasCarrier: true, upMs: 60_000 + now, slowness: 1, settings },
    ...change,
  };
}

/** Whom "b" has fenced by 20 s after it lost its quorum, if it ever had one in sight. */
function fencedBy(change: Partial<SurvivorSettings>, hadLeader = true): readonly string[] {
  const coordinator = begin();
  if (hadLeader) coordinator.tick(-1000, factsAt(-1000, { leader: "a" }));
  const fenced = new Set<string>();
  for (let now = 0; now <= 20_000; now += 250) {
    const facts = factsAt(now, { settings: { ...settings, ...change } });
    for (const effect of coordinator.tick(now, facts)) {
      if (effect.kind === "fence") fenced.add(effect.node);
    }
  }
  return [...fenced];
}

it("fences a silent voter, and no standby", () => {
  assert.equal(fencedBy({}), ["a"]);
  assert.equal(fencedBy({ policy: "proof" }), ["a"]);
});

it("asks for proof with its first survey: a silence that is over by then must not come before it", () => {
  const coordinator = begin();
  coordinator.tick(-60_000, factsAt(-60_000, { leader: "a" }));
  const steps = Array.from({ length: 20 }, (_, n) => 250 * n).map((now) =>
    coordinator.tick(now, factsAt(60_000 + now)).map(({ kind }) => kind),
  );
  const first = steps.find((kinds) => kinds.includes("survey"));
  assert.ok(first?.includes("ask-exit"));
  assert.not(first?.includes("prepare"));
});

it("fences nobody after a cold start: its partner may have had it fenced, and gone on alone since", () => {
  assert.equal(fencedBy({}, false), []);
});

it("fences nobody while the operator has the last word", () => {
  assert.equal(fencedBy({ hold: true }), []);
  assert.equal(fencedBy({ policy: "off" }), []);
  assert.equal(fencedBy({ fence: false }), []);
});

it("begins above what it promised before it was started again", () => {
  const { generations } = bootstrapLineage("c");
  const parent = generations[0]?.id ?? "";
  const promise = { parent, ballot: { counter: 7, node: "z" }, accepted: null };
  const facts = factsAt(0, { lineage: { generations, promise, voteFrom: null } });
  const coordinator = begin();
  const { hash } = coordinator.plan(0, facts, { operator: true });
  const verdict = coordinator.recover(hash, 0, facts);
  const asked = (verdict.begun ? verdict.effects : []).filter(({ kind }) => kind === "prepare");
  assert.equal(asked, [
    {
      ...{ kind: "prepare", to: "b" },
      request: { parent, ballot: { counter: 8, node: "b" }, exits: [] },
    },
  ]);
});

/** What "b" does when it meets "a", who leads a quorum in the generation of both. */
function meeting(change: Partial<LocalFacts>): readonly string[] {
  const coordinator = begin();
  for (let now = 0; now <= 4000; now += 250) coordinator.tick(now, factsAt(now, change));
  const facts = factsAt(4000, change);
  const theirs = { ...coordinator.hello(facts, null), from: "a", promise: null, leader: "a" };
  const asks = coordinator.greeted(theirs, 4000, facts);
  for (const ask of asks) {
    if (ask.kind === "confirm") coordinator.meetings.confirmed(ask.to, ask.generation, 4000);
  }
  return coordinator.greeted(theirs, 4000, facts).map(({ kind }) => kind);
}

it("starts over in its generation when nobody answers who was told of its end, and a quorum lives", () => {
  assert.ok(meeting({ held: true, storageOk: true }).includes("depart"));
  assert.equal(meeting({ held: true, storageOk: false }), [], "it may still be let back as it is");
  assert.equal(meeting({ held: false }), []);
});

it("leaves for nobody whose leader has not answered just now, and decides on meanwhile", () => {
  const change = { held: true, storageOk: true };
  const coordinator = begin();
  for (let now = 0; now <= 4000; now += 250) coordinator.tick(now, factsAt(now, change));
  const facts = factsAt(4000, change);
  const { generation } = coordinator.survey(4000, facts);
  const theirs = { ...coordinator.hello(facts, null), from: "a", promise: null, leader: "a" };
  const asks = [{ kind: "confirm", to: "a", generation: generation.id }];
  assert.equal(coordinator.greeted(theirs, 4000, facts), asks);
  const before = coordinator.status().state;
  coordinator.meetings.confirmed("s", generation.id, 4000);
  assert.equal(coordinator.greeted(theirs, 4000, facts), asks, "another one answered");
  coordinator.meetings.confirmed("a", generation.id, 4000);
  assert.equal(coordinator.greeted(theirs, 9500, facts), asks, "that was long ago");
  assert.is(coordinator.status().state, before);
  assert.ok(coordinator.greeted(theirs, 5000, facts).some(({ kind }) => kind === "depart"));
  assert.is(coordinator.status().state, "superseded");
});

it("does not wait for a leader that asks itself who is left", () => {
  const coordinator = begin();
  const asked = { leader: "a" };
  const tick = (now: number): readonly string[] =>
    coordinator.tick(now, factsAt(now, asked)).map(({ kind }) => kind);
  const request = { parent: bootstrapGeneration("c").id, ballot: { counter: 1, node: "a" } };
  const promises = (now: number): boolean =>
    coordinator.promise({ ...request, exits: [] }, factsAt(now, asked)).granted;
  for (let now = 0; now <= 5000; now += 250) assert.not(tick(now).includes("survey"));
  assert.is(promises(5000), false);
  let surveys = 0;
  for (let now = 5250; now <= 10_000; now += 250) {
    const theirs = { ...coordinator.survey(now, factsAt(now, asked)), from: "a" };
    coordinator.surveyed("a", theirs, now, factsAt(now, asked));
    coordinator.surveyed("s", { ...theirs, from: "s" }, now, factsAt(now, asked));
    if (tick(now).includes("survey")) surveys += 1;
  }
  assert.ok(surveys > 1, "it asks too, or the leader would not count it among the survivors");
  assert.is(coordinator.hello(factsAt(10_000, asked), null).leader, null);
  assert.is(promises(10_000), true);
  const later = coordinator.hello(factsAt(10_000, { ...asked, term: 3 }), null);
  assert.is(later.leader, "a", "it was elected since");
  for (let now = 10_250; now <= 13_000; now += 250) tick(now);
  assert.is(coordinator.hello(factsAt(13_000, asked), null).leader, "a", "it asks no more");
});

it("believes in a leader that asked before it was elected, and in one that says that it has a quorum", () => {
  const coordinator = begin();
  const theirs = { ...coordinator.survey(0, factsAt(0)), from: "a" };
  coordinator.surveyed("a", theirs, 0, factsAt(0));
  const asked = factsAt(0, { leader: "a" });
  assert.is(coordinator.hasLeader(asked), true);
  coordinator.surveyed("a", theirs, 0, asked);
  assert.is(coordinator.hasLeader(asked), false);
  const hello = coordinator.hello(factsAt(0), null);
  coordinator.greeted({ ...hello, from: "s", leader: "a" }, 0, asked);
  assert.is(coordinator.hasLeader(asked), false, "another one's word is hearsay");
  coordinator.greeted({ ...hello, from: "a", leader: "a" }, 0, asked);
  assert.is(coordinator.hasLeader(asked), true);
});

it("re-enters a generation that it left only behind what its leader has committed", () => {
  const { generations } = bootstrapLineage("c");
  const fork = { forkIndex: 9, forkTerm: 2, forkChain: "x", legitCommit: 9, members: ["a", "b"] };
  const child: Generation = {
    ...bootstrapGeneration("c"),
    ...{ n: 2, id: "2".repeat(32), parent: generations[0]?.id ?? "", kind: "forced-auto" },
    ...{ ...fork, coordinator: "a", lost: [] },
  };
  const meets = (left: readonly string[], leader: string | null): readonly string[] => {
    const coordinator = begin();
    const lineage = { generations, promise: null, voteFrom: null, left };
    for (let now = 0; now <= 4000; now += 250) coordinator.tick(now, factsAt(now, { lineage }));
    const facts = factsAt(4000, { lineage });
    const path = [...generations, child];
    const theirs = { ...coordinator.hello(facts, null), from: "a", generations: path, leader };
    coordinator.meetings.confirmed("a", child.id, 4000);
    return coordinator.greeted({ ...theirs, lastTerm: 3, lastIndex: 12 }, 4000, facts).map(nameOf);
  };
  const why = "its vote may be the one that elects a log which lacks it";
  assert.equal(meets([child.id], null), [], why);
  assert.equal(meets([child.id], "a"), ["log", "depart after nothing"]);
  assert.equal(meets(["3".repeat(32)], null), ["log", "adopt"]);
  assert.equal(meets([], null), ["log", "adopt"]);
});

it("accepts no child again that it left", () => {
  const [parent] = bootstrapLineage("c").generations;
  assert.ok(parent);
  const ballot = { counter: 1, node: "a" };
  const promise = { parent: parent.id, ballot, accepted: null };
  const child: Generation = { ...parent, n: 2, id: "2".repeat(32), parent: parent.id };
  const accepts = (left: readonly string[]): boolean => {
    const lineage = { generations: [parent], promise, voteFrom: null, left };
    const at = { ...child, kind: "forced-auto", forkIndex: 9, forkTerm: 2 } as const;
    return begin().accept({ parent: parent.id, ballot, child: at }, factsAt(0, { lineage }))
      .granted;
  };
  assert.is(accepts([]), true);
  assert.is(accepts([child.id]), false);
});

function nameOf(effect: CoordinatorEffect): string {
  if (effect.kind !== "depart") return effect.kind;
  return `depart after ${effect.departure.exportAfter ?? "nothing"}`;
}

it("asks who is there three seconds after its leader was lost, and after a start later in a large cluster", () => {
  const firstSurveyMs = (members: number, hadLeader: boolean, coldMs = 120_000): number => {
    const coordinator = begin();
    const admitted = ["a", "b", "s", ...Array.from({ length: members - 3 }, (_, n) => `o${n}`)];
    const timers = { silenceMs: 30_000, coldMs };
    const change = { admitted, settings: { ...settings, timers } };
    if (hadLeader) coordinator.tick(-1000, factsAt(-1000, { ...change, leader: "a" }));
    for (let now = 0; now <= 60_000; now += 250) {
      const effects = coordinator.tick(now, factsAt(now, change));
      if (effects.some(({ kind }) => kind === "survey")) return now;
    }
    return Infinity;
  };
  assert.equal(
    [3, 8, 20, 50, 100].map((members) => firstSurveyMs(members, false)),
    [3000, 3000, 9000, 24_000, 33_000],
  );
  assert.equal(
    [3, 100].map((members) => firstSurveyMs(members, true)),
    [3000, 3000],
  );
  assert.is(firstSurveyMs(100, false, 8000), 5000);
});

it("asks like everybody else as soon as somebody asks it, however short ago it was started", () => {
  const coordinator = begin();
  const admitted = ["a", "b", "s", ...Array.from({ length: 97 }, (_, n) => `o${n}`)];
  const theirs = { ...begin().survey(0, factsAt(0)), from: "a" };
  let first = Infinity;
  for (let now = 0; now < 60_000 && first === Infinity; now += 250) {
    const facts = factsAt(now, { admitted });
    if (now === 4000) coordinator.surveyed("a", theirs, now, facts);
    const effects = coordinator.tick(now, facts);
    if (effects.some(({ kind }) => kind === "survey")) first = now;
  }
  assert.is(first, 4000);
});

it("asks those with a place first after every loss, whomever the last one left unasked", () => {
  const coordinator = begin();
  const admitted = ["a", "b", "s", ...Array.from({ length: 97 }, (_, n) => `o${n}`)];
  const askedFirst = (fromMs: number): readonly string[] => {
    for (let now = fromMs; now < fromMs + 10_000; now += 250) {
      const effects = coordinator.tick(now, factsAt(now, { admitted }));
      const asked = effects.flatMap((one) => (one.kind === "survey" ? [one.to] : []));
      if (asked.length > 0) return asked;
    }
    return [];
  };
  coordinator.tick(0, factsAt(0, { admitted, leader: "a" }));
  assert.equal(askedFirst(250).slice(0, 2), ["a", "s"]);
  coordinator.tick(60_000, factsAt(60_000, { admitted, leader: "a" }));
  assert.equal(askedFirst(60_250).slice(0, 2), ["a", "s"]);
});

it.run();
