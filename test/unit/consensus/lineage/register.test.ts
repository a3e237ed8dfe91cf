/** The decision about a child, under loss, repetition, late delivery and crashes of everybody. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { seededRandom, shuffle } from "../../../../src/base/random.ts";
import { bootstrapGeneration } from "../../../../src/consensus/lineage/generation.ts";
import {
  compareBallots,
  nextBallot,
  onAccept,
  onPrepare,
  proposable,
} from "../../../../src/consensus/lineage/register.ts";
import {
  type Ballot,
  type Generation,
  type LineagePromise,
} from "../../../../src/consensus/lineage/types.ts";

const it = suite("lineage: register");
const root = bootstrapGeneration("c");
const ballot = (counter: number, node = "a"): Ballot => ({ counter, node });
const child = (id: string): Generation => ({ ...root, id, n: 2, parent: root.id });

it("promises only in its own generation, and nothing lower than it promised", () => {
  const promise = { parent: root.id, ballot: ballot(2), accepted: null };
  const state = { generation: root, commit: 0, promise };
  const ask = (request: { parent: string; ballot: Ballot }): boolean =>
    onPrepare(state, request).granted;
  assert.is(ask({ parent: "other", ballot: ballot(9) }), false);
  assert.is(ask({ parent: root.id, ballot: ballot(1, "z") }), false);
  assert.equal(onPrepare(state, { parent: root.id, ballot: ballot(2) }), {
    ...{ granted: true, promise, write: false },
  });
  assert.equal(onPrepare(state, { parent: root.id, ballot: ballot(2, "b") }).promise, {
    ...{ parent: root.id, ballot: ballot(2, "b"), accepted: null },
  });
});

it("accepts only the ballot it promised, and one child of a parent", () => {
  const parent = root.id;
  const fresh = { generation: root, commit: 0, promise: null };
  assert.is(onAccept(fresh, { parent, ballot: ballot(1), child: child("x") }).granted, false);
  const promise = { parent, ballot: ballot(1), accepted: null };
  const accepted = onAccept(
    { generation: root, commit: 0, promise },
    {
      ...{ parent, ballot: ballot(1), child: child("x") },
    },
  );
  assert.ok(accepted.granted && accepted.write);
  const later = onPrepare(
    { generation: root, commit: 0, promise: accepted.promise },
    { parent, ballot: ballot(2) },
  );
  const state = { generation: root, commit: 0, promise: later.promise };
  assert.is(onAccept(state, { parent, ballot: ballot(2), child: child("y") }).granted, false);
  assert.is(onAccept(state, { parent, ballot: ballot(1), child: child("x") }).granted, false);
  const wrong = { ...child("x"), n: 5 };
  assert.is(onAccept(state, { parent, ballot: ballot(2), child: wrong }).granted, false);
  assert.ok(onAccept(state, { parent, ballot: ballot(2), child: child("x") }).granted);
});

it("accepts no child that lacks what it knows to be committed", () => {
  const promise = { parent: root.id, ballot: ballot(1), accepted: null };
  const request = { parent: root.id, ballot: ballot(1), child: { ...child("x"), forkIndex: 40 } };
  assert.ok(onAccept({ generation: root, promise, commit: 40 }, request).granted);
  assert.not(onAccept({ generation: root, promise, commit: 41 }, request).granted);
});

it("forgets a promise of a generation it has left", () => {
  const promise = { parent: "earlier", ballot: ballot(7), accepted: null };
  const answer = onPrepare(
    { generation: root, commit: 0, promise },
    { parent: root.id, ballot: ballot(1) },
  );
  assert.ok(answer.granted);
});

type Mail =
  | { readonly kind: "prepare"; readonly to: string; readonly round: Round }
  | {
      readonly kind: "promised";
      readonly from: string;
      readonly round: Round;
      readonly promise: LineagePromise | null;
    }
  | {
      readonly kind: "accept";
      readonly to: string;
      readonly round: Round;
      readonly child: Generation;
    }
  | { readonly kind: "accepted"; readonly from: string; readonly round: Round };

interface Round {
  readonly ballot: Ballot;
  readonly survivors: readonly string[];
  readonly promised: Map<string, LineagePromise | null>;
  readonly accepted: Set<string>;
  child: Generation | null;
  /** The coordinator crashed: answers find nobody. */
  dead: boolean;
}

/** Random coordinators with random survivors. Returns what was decided, by whom. */
function play(
  seed: number,
): readonly { readonly child: string; readonly survivors: readonly string[] }[] {
  const random = seededRandom(seed);
  const nodes = ["a", "b", "c", "d", "e"].slice(0, 2 + random.below(4));
  const disk = new Map<string, LineagePromise | null>(nodes.map((id) => [id, null]));
  const rounds: Round[] = [];
  const decided: { readonly child: string; readonly survivors: readonly string[] }[] = [];
  let mail: Mail[] = [];
  let children = 0;
  const begin = (): void => {
    const survivors = shuffle([...nodes], random).slice(0, 1 + random.below(nodes.length));
    const [self = ""] = survivors;
    const seen = survivors.map((id) => (random.below(2) === 0 ? (disk.get(id) ?? null) : null));
    const round: Round = {
      ...{ ballot: nextBallot(self, seen), survivors, promised: new Map(), accepted: new Set() },
      ...{ child: null, dead: false },
    };
    // A coordinator that restarted must not use a ballot twice: its own promise says what it used.
    if (rounds.some((one) => compareBallots(one.ballot, round.ballot) === 0)) return;
    rounds.push(round);
    for (const to of survivors) mail.push({ kind: "prepare", to, round });
  };
  const deliver = (one: Mail): void => {
    const { round } = one;
    const request = { parent: root.id, ballot: round.ballot };
    if (one.kind === "prepare") {
      const answer = onPrepare(
        { generation: root, commit: 0, promise: disk.get(one.to) ?? null },
        request,
      );
      if (answer.write) disk.set(one.to, answer.promise);
      if (answer.granted)
        mail.push({ kind: "promised", from: one.to, round, promise: answer.promise });
    } else if (one.kind === "accept") {
      const state = { generation: root, commit: 0, promise: disk.get(one.to) ?? null };
      const answer = onAccept(state, { ...request, child: one.child });
      if (answer.write) disk.set(one.to, answer.promise);
      if (answer.granted) mail.push({ kind: "accepted", from: one.to, round });
    } else if (round.dead) {
      return;
    } else if (one.kind === "promised") {
      round.promised.set(one.from, one.promise);
      if (round.child !== null || round.promised.size < round.survivors.length) return;
      const free = proposable([...round.promised.values()]);
      if (free.kind === "conflict") return;
      round.child = free.kind === "finish" ? free.child : child(`child${(children += 1)}`);
      for (const to of round.survivors)
        mail.push({ kind: "accept", to, round, child: round.child });
    } else {
      round.accepted.add(one.from);
      if (round.accepted.size === round.survivors.length && round.child !== null) {
        decided.push({ child: round.child.id, survivors: round.survivors });
      }
    }
  };
  for (let step = 0; step < 150; step += 1) {
    const dice = random.below(20);
    if (dice === 0 || rounds.length === 0) begin();
    else if (dice === 1) {
      const round = rounds[random.below(rounds.length)];
      if (round !== undefined && random.below(3) === 0) round.dead = true;
    } else if (mail.length > 0) {
      const at = random.below(mail.length);
      const one = mail[at];
      if (dice > 4) mail = mail.filter((_, i) => i !== at); // else it is delivered again later
      if (one !== undefined && dice !== 5) deliver(one); // 5: it is lost
    }
  }
  return decided;
}

it("lets survivors with a member in common decide on one child only", () => {
  let decisions = 0;
  let repeated = 0;
  for (let seed = 1; seed <= 3000; seed += 1) {
    const decided = play(seed);
    decisions += decided.length;
    for (const a of decided) {
      for (const b of decided) {
        if (a === b || !a.survivors.some((id) => b.survivors.includes(id))) continue;
        repeated += 1;
        assert.is(a.child, b.child, `seed ${seed}`);
      }
    }
  }
  assert.ok(decisions > 1000 && repeated > 200, `${decisions} decisions, ${repeated} overlapping`);
});

it.run();
