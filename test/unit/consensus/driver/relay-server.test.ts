/** Serving pulls: when they are answered, how many at once, and never across a change of generation. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type CoreStatus, type Entry } from "../../../../src/consensus/core/types.ts";
import { type ConsensusStatus } from "../../../../src/consensus/driver/api.ts";
import { DriverMetrics } from "../../../../src/consensus/driver/metrics.ts";
import { RelayServer } from "../../../../src/consensus/driver/relay-server.ts";
import { type RelayNode } from "../../../../src/consensus/driver/relay-types.ts";
import { parseAnswer, type PullAnswer } from "../../../../src/consensus/driver/relay-wire.ts";
import { emptyConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { currentGeneration } from "../../../../src/consensus/lineage/generation.ts";
import { entriesOf } from "../../../support/core-bench.ts";
import { history } from "../../../support/entries.ts";
import { clusterLineage } from "../../../support/raft-cluster.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const it = suite("consensus: relay server");
const root = currentGeneration(clusterLineage);
const chainOf = (index: number): string => String(index).padStart(32, "0");

class Bench {
  readonly clock = new VirtualClock();
  readonly server: RelayServer;
  readonly foreign: string[] = [];
  applied = 5;
  /** Entries before it are compacted. */
  first = 1;
  generation = root;
  role: CoreStatus["role"] = "follower";
  leader: string | null = "x";
  path: readonly string[] | null = [];

  constructor() {
    const status = (): ConsensusStatus => this.#status();
    const node: RelayNode = {
      ...{ metrics: new DriverMetrics(), status, generation: () => this.generation },
      chainAt: (index) => Promise.resolve(index < this.first - 1 ? null : chainOf(index)),
      waitApplied: () => Promise.resolve(),
      ...{ onChange: () => () => {}, onApplied: () => () => {}, expectSnapshot: () => {} },
      takeRelayed: () => false,
      giveApplied: (from) => Promise.resolve(this.#from(from)),
      offerSnapshot: () => ({
        ...{ ...history, id: "s", index: 4, term: 1, sizeBytes: 1, sha256: "00" },
        config: emptyConfiguration,
      }),
      sawForeign: (from, id) => this.foreign.push(`${from} ${id}`),
    };
    const standing = (): { leader: string | null; path: readonly string[] | null } => ({
      ...{ leader: this.leader, path: this.path },
    });
    const { clock } = this;
    this.server = new RelayServer(
      { maxServed: 3, maxServedAsLeader: 1 },
      { node, clock, standing },
    );
  }

  #from(from: number): readonly Entry[] | null {
    if (from < this.first) return null;
    return entriesOf(Array<number>(Math.max(0, this.applied - from + 1)).fill(1), from);
  }

  #status(): ConsensusStatus {
    const { applied, role, leader } = this;
    const log = { commit: applied, applied, first: 1, last: applied, lastTerm: 1 };
    return {
      ...{ ...log, role, term: 1, vote: null, leader, relayed: false, persisted: applied },
      ...{ leaderLast: applied, effective: emptyConfiguration, committed: emptyConfiguration },
      ...{ quorumLost: false, transferee: null, peers: new Map(), engine: "running" },
      ...{
        leaderContactMs: 7,
        snapshotIndex: 0,
        health: "ok",
        log: { salvaged: null, trusted: true },
      },
    };
  }

  /** What `who`, whose log ends before `from`, hears; `at` tells when. */
  ask(who: string, from: number, change: object = {}): { answer: PullAnswer | null; ms: number } {
    const seen = { leader: this.leader, path: this.path };
    const limits = { maxBytes: 1000, waitMs: 5000, seen };
    const request = { generation: root.id, from, chain: chainOf(from - 1), ...limits, ...change };
    const heard: { answer: PullAnswer | null; ms: number } = { answer: null, ms: -1 };
    const begun = this.clock.monotonicMs();
    void this.server.serve(who, request, new AbortController().signal).then((value) => {
      heard.answer = parseAnswer(value, from);
      heard.ms = this.clock.monotonicMs() - begun;
    });
    return heard;
  }
}

it("answers at once when it has entries", async () => {
  const bench = new Bench();
  const heard = bench.ask("a", 3);
  await bench.clock.advance(1);
  const { answer } = heard;
  assert.ok(answer?.kind === "entries");
  assert.equal([answer.entries.map(({ index }) => index), answer.chain], [[3, 4, 5], chainOf(5)]);
  assert.equal([answer.leader, answer.path, answer.leaderAgeMs, answer.applied], ["x", [], 7, 5]);
});

it("waits for entries, and answers as soon as there are some", async () => {
  const bench = new Bench();
  const heard = bench.ask("a", 6);
  await bench.clock.advance(1000);
  assert.is(heard.answer, null);
  bench.applied = 6;
  bench.server.wake();
  await bench.clock.advance(1);
  assert.ok(heard.answer?.kind === "entries" && heard.answer.entries.length === 1);
});

it("answers that there is nothing after five seconds", async () => {
  const bench = new Bench();
  const heard = bench.ask("a", 6);
  await bench.clock.advance(5100);
  assert.ok(heard.answer?.kind === "entries" && heard.answer.entries.length === 0);
  assert.is(heard.ms, 5000);
  assert.is(bench.server.served, 0);
});

it("tells at once of another leader, of another way, and that it lost its own", async () => {
  for (const change of [{ leader: "y" }, { path: ["z"] }, { path: null }]) {
    const bench = new Bench();
    const heard = bench.ask("a", 6);
    await bench.clock.advance(100);
    Object.assign(bench, change);
    bench.server.wake();
    await bench.clock.advance(1);
    assert.ok(heard.answer?.kind === "entries", JSON.stringify(change));
    assert.equal([heard.answer.leader, heard.answer.path], [bench.leader, bench.path]);
  }
});

it("says that logs differ, and offers a snapshot for what was compacted", async () => {
  const bench = new Bench();
  const differs = bench.ask("a", 3, { chain: "f".repeat(32) });
  bench.first = 4;
  const behind = bench.ask("b", 2);
  await bench.clock.advance(1);
  assert.is(differs.answer?.kind, "mismatch");
  assert.ok(behind.answer?.kind === "snapshot" && behind.answer.index === 4);
});

it("serves so many at once, fewer as leader, and one of each", async () => {
  const bench = new Bench();
  const three = ["a", "b", "c"].map((who) => bench.ask(who, 6));
  const fourth = bench.ask("d", 6);
  await bench.clock.advance(1);
  assert.is(fourth.answer?.kind, "busy");
  assert.ok(three.every(({ answer }) => answer === null));
  const again = bench.ask("a", 6);
  await bench.clock.advance(1);
  assert.is(again.answer?.kind, "busy");
  assert.is(three[0]?.answer?.kind, "entries", "the earlier one is over");
  bench.role = "leader";
  const fifth = bench.ask("d", 6);
  await bench.clock.advance(1);
  assert.is(fifth.answer?.kind, "busy");
});

it("gives nothing to another generation, also when its own changes meanwhile", async () => {
  const bench = new Bench();
  const other = "e".repeat(32);
  const stranger = bench.ask("a", 3, { generation: other });
  const waiting = bench.ask("b", 6);
  await bench.clock.advance(100);
  assert.equal(stranger.answer, { kind: "foreign", generation: root.id });
  assert.equal(bench.foreign, [`a ${other}`]);
  bench.generation = { ...root, id: other };
  bench.applied = 7;
  bench.server.wake();
  await bench.clock.advance(1);
  assert.equal(waiting.answer, { kind: "foreign", generation: other });
});

it.run();
