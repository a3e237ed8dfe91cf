/** Comparison of histories: over every shape that Raft and survivor mode can produce, and row by row. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { seededRandom } from "../../../../src/base/random.ts";
import { compareLineage } from "../../../../src/consensus/lineage/compare.ts";
import {
  bootstrapGeneration,
  withGeneration,
} from "../../../../src/consensus/lineage/generation.ts";
import {
  type Generation,
  type LineageHello,
  type Relation,
} from "../../../../src/consensus/lineage/types.ts";
import {
  compareLogs,
  LineageWorld,
  sharedLength,
  type WorldEntry,
  type WorldNode,
} from "../../../support/lineage-world.ts";

const it = suite("lineage: compare");

function worlds(seeds: number, check: (world: LineageWorld, seed: number) => void): void {
  for (let seed = 1; seed <= seeds; seed += 1) {
    const random = seededRandom(seed);
    const world = new LineageWorld(2 + random.below(6), random);
    for (let step = 0; step < 60; step += 1) world.step();
    check(world, seed);
  }
}

function flipped(relation: Relation): Relation {
  const other = (who: "me" | "them"): "me" | "them" => (who === "me" ? "them" : "me");
  if (relation.relation === "behind") return { ...relation, who: other(relation.who) };
  if (relation.relation === "diverged") return { ...relation, winner: other(relation.winner) };
  return relation;
}

/** Positive when `a` is ahead of `b`, negative when behind, 0 in the same generation or with a tail to merge. */
function order(world: LineageWorld, a: WorldNode, b: WorldNode): number {
  const relation = compareLineage(world.hello(a), world.hello(b));
  if (relation.relation === "behind" && relation.tail) return 0;
  if (relation.relation === "behind") return relation.who === "me" ? -1 : 1;
  if (relation.relation === "diverged") return relation.winner === "me" ? 1 : -1;
  return 0;
}

it("answers both sides the same", () => {
  worlds(400, (world, seed) => {
    for (const a of world.nodes) {
      for (const b of world.nodes) {
        const there = compareLineage(world.hello(a), world.hello(b));
        const back = compareLineage(world.hello(b), world.hello(a));
        assert.equal(flipped(there), back, `seed ${seed}`);
        assert.is(there.relation === "foreign", false, `seed ${seed}: ${JSON.stringify(there)}`);
      }
    }
  });
});

/** Those that received all their generation kept: who lags answers for its generation, not for its own log. */
function complete(world: LineageWorld): readonly WorldNode[] {
  return world.nodes.filter((node) => {
    const { kept } = world.historyOf(node);
    return sharedLength(kept, node.log) === kept.length;
  });
}

it("orders any three branches without a circle", () => {
  let triples = 0;
  worlds(1500, (world, seed) => {
    const nodes = complete(world);
    for (const a of nodes) {
      for (const b of nodes.filter((node) => order(world, a, node) > 0)) {
        for (const c of nodes.filter((node) => order(world, b, node) > 0)) {
          if (order(world, a, c) === 0) continue;
          triples += 1;
          assert.ok(order(world, a, c) > 0, `seed ${seed}: ${a.id} > ${b.id} > ${c.id}`);
        }
      }
    }
  });
  assert.ok(triples > 500, `${triples} triples`);
});

/** What a node's path holds of its last generation in common with `other`. */
function keptOf(world: LineageWorld, node: WorldNode, other: WorldNode): readonly WorldEntry[] {
  const ids = new Set(other.path.map(({ id }) => id));
  const after = node.path.filter(({ id }) => !ids.has(id));
  const logs = after.map(({ id }) => world.histories.get(id)?.kept ?? []);
  const end = (log: readonly WorldEntry[]): WorldNode => ({ ...node, log });
  return logs.reduce((a, b) => (compareLogs(end(b), end(a)) < 0 ? b : a), logs[0] ?? node.log);
}

/** Ids committed in the history that `path` describes; a parent can commit more after it was left. */
function committedOn(world: LineageWorld, path: readonly Generation[]): ReadonlySet<number> {
  const committed = path.flatMap(({ id }, i) => {
    const all = [...(world.histories.get(id)?.committed ?? [])];
    const next = path[i + 1];
    const kept = next === undefined ? null : world.histories.get(next.id)?.kept;
    return all.filter((entry) => kept === null || kept?.some((one) => one.id === entry));
  });
  return new Set(committed);
}

function committedInCommon(world: LineageWorld, a: WorldNode, b: WorldNode): ReadonlySet<number> {
  const ids = new Set(b.path.map(({ id }) => id));
  return committedOn(
    world,
    a.path.filter(({ id }) => ids.has(id)),
  );
}

it("never cuts off what was committed, and keeps only what both hold", () => {
  let cuts = 0;
  let tails = 0;
  worlds(800, (world, seed) => {
    for (const a of world.nodes) {
      for (const b of world.nodes) {
        const relation = compareLineage(world.hello(a), world.hello(b));
        if (relation.relation !== "behind" || relation.who !== "me") continue;
        const kept = keptOf(world, b, a);
        const label = `seed ${seed}: ${a.id} behind ${b.id} at ${relation.at}`;
        assert.ok(relation.at >= a.commit, label);
        assert.ok(sharedLength(a.log.slice(0, relation.at), kept) === relation.at, label);
        const lost = a.log
          .slice(relation.at)
          .filter(({ id }) => !kept.some((one) => one.id === id));
        if (relation.tail) tails += 1;
        else {
          const committed = committedInCommon(world, a, b);
          assert.is(
            lost.some(({ id }) => committed.has(id)),
            false,
            label,
          );
        }
        if (lost.length > 0) cuts += 1;
      }
    }
  });
  assert.ok(cuts > 50 && tails > 20, `${cuts} cuts and ${tails} tails were seen`);
});

it("lets the side win that holds everything committed in common", () => {
  let seen = 0;
  worlds(800, (world, seed) => {
    for (const a of world.nodes) {
      for (const b of world.nodes) {
        const relation = compareLineage(world.hello(a), world.hello(b));
        if (relation.relation !== "diverged" || relation.winner !== "me") continue;
        if (world.hello(a).leader !== null && relation.rule === "W1") continue;
        seen += 1;
        const winner = new Set(keptOf(world, a, b).map(({ id }) => id));
        const committed = committedInCommon(world, a, b);
        const lost = keptOf(world, b, a).filter(({ id }) => committed.has(id) && !winner.has(id));
        assert.equal(lost, [], `seed ${seed}: ${a.id} over ${b.id}`);
      }
    }
  });
  assert.ok(seen > 500, `${seen} pairs`);
});

it("forces from a log that has all that was committed and some survivor holds", () => {
  let forks = 0;
  worlds(800, (world, seed) => {
    const [node] = world.nodes;
    if (node === undefined) return;
    const inside = world.nodes.filter((one) => one.path.at(-1)?.id === node.path.at(-1)?.id);
    const committed = committedOn(world, node.path);
    const held = inside.flatMap(({ log }) => log).filter(({ id }) => committed.has(id));
    const child = world.force(inside);
    const kept = new Set((world.histories.get(child.id)?.kept ?? []).map(({ id }) => id));
    forks += held.length > 0 ? 1 : 0;
    assert.equal(
      held.filter(({ id }) => !kept.has(id)),
      [],
      `seed ${seed}`,
    );
  });
  assert.ok(forks > 200, `${forks} forks with something to keep`);
});

const root = bootstrapGeneration("c");

function fork(id: string, change: Partial<Generation> = {}): Generation {
  const base: Generation = {
    ...{ n: 2, id, parent: root.id, kind: "forced-auto", coordinator: "a", members: ["a"] },
    ...{ forkIndex: 100, forkTerm: 3, forkChain: "x100", legitCommit: 99, lost: [] },
    ...{ outlived: true, missingAtMost: null, at: 0 },
  };
  return { ...base, ...change };
}

function hello(change: Partial<LineageHello> = {}): LineageHello {
  return {
    ...{ clusterId: "c", from: "a", generations: [root], promise: null, leader: null },
    ...{ lastTerm: 3, lastIndex: 100, commit: 100, chains: [[100, "x100"]] },
    ...change,
  };
}

const inFork = (generation: Generation): LineageHello =>
  hello({ generations: [root, generation], lastTerm: 4, lastIndex: 120, commit: 120, chains: [] });

const rows: readonly (readonly [string, LineageHello, LineageHello, Partial<Relation>])[] = [
  ["one generation", hello(), hello({ from: "b" }), { relation: "same" }],
  ["another cluster", hello(), hello({ clusterId: "d" }), { relation: "foreign" }],
  ["unequal committed entries", hello(), hello({ chains: [[100, "y"]] }), { relation: "foreign" }],
  [
    "an agent with an empty log",
    hello({ lastTerm: 0, lastIndex: 0, commit: 0, chains: [] }),
    inFork(fork("f")),
    { relation: "behind", who: "me", at: 0, tail: false },
  ],
  [
    "the log ends at the fork",
    hello(),
    inFork(fork("f")),
    { relation: "behind", who: "me", at: 100, tail: false },
  ],
  [
    "a tail beyond the fork that may have been acknowledged",
    hello({ lastIndex: 103, chains: [[100, "x100"]] }),
    inFork(fork("f")),
    { relation: "behind", who: "me", at: 100, tail: true },
  ],
  [
    "2 nodes, pure partition: the leader evicted the follower and went on, it wins",
    hello({ lastIndex: 101, commit: 101, leader: "a" }),
    inFork(fork("f")),
    { relation: "diverged", winner: "me", rule: "W1", forkIndex: 100 },
  ],
  [
    "5 nodes, partition 2/3: the majority wins also when it wrote nothing",
    hello({ leader: "a" }),
    inFork(fork("f", { members: ["d", "e"] })),
    { relation: "diverged", winner: "me", rule: "W1" },
  ],
  [
    "the survivor crashes right after forcing and the old majority went on",
    inFork(fork("f")),
    hello({ lastTerm: 4, lastIndex: 150, commit: 150 }),
    { relation: "diverged", winner: "them", rule: "W1" },
  ],
  [
    "5 nodes, partition 2/2/1, equal logs: more members win",
    inFork(fork("f", { members: ["a", "b"] })),
    inFork(fork("e", { members: ["c"] })),
    { relation: "diverged", winner: "me", rule: "W3" },
  ],
  [
    "5 nodes, partition 2/2/1, equal logs and sizes: the smaller id wins",
    inFork(fork("f", { members: ["a", "b"] })),
    inFork(fork("e", { members: ["c", "d"] })),
    { relation: "diverged", winner: "them", rule: "W4" },
  ],
  [
    "all power-cycled, one forced itself without having outlived the others: it loses a tie",
    inFork(fork("e", { outlived: false, members: ["a", "b", "c"] })),
    inFork(fork("f", { members: ["d"] })),
    { relation: "diverged", winner: "them", rule: "W0" },
  ],
  [
    "the operator's word is stronger than silence",
    inFork(fork("f", { kind: "forced-operator" })),
    inFork(fork("e", { members: ["b", "c"] })),
    { relation: "diverged", winner: "me", rule: "W2" },
  ],
  [
    "a proof is stronger than the operator's word",
    inFork(fork("f", { kind: "forced-operator" })),
    inFork(fork("g", { kind: "forced-proof" })),
    { relation: "diverged", winner: "them", rule: "W2" },
  ],
];

for (const [title, mine, theirs, expected] of rows) {
  it(title, () => {
    const relation = compareLineage(mine, theirs);
    assert.equal({ ...relation, ...expected }, relation);
  });
}

it("does not guess about forks it no longer knows", () => {
  let path: readonly Generation[] = [root];
  for (let n = 2; n < 100; n += 1) {
    path = withGeneration(path, fork(`g${n}`, { n, parent: path.at(-1)?.id ?? "" }));
  }
  const away = hello({ generations: [root, fork("g2"), fork("g3", { n: 3, parent: "g2" })] });
  assert.is(compareLineage(away, hello({ generations: path })).relation, "foreign");
  assert.is(path.length, 64);
  assert.equal(
    path.slice(0, 3).map(({ n }) => n),
    [1, 2, 38],
  );
});

it.run();
