/**
 * A cluster too large for all to be connected: an agent reaches only so many in the time that a question has. Those who
 * are left find each other, agree, and leave nobody out.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { must } from "../../../src/base/assert.ts";
import { simpleConfiguration } from "../../../src/consensus/core/configuration.ts";
import { type NodeId } from "../../../src/consensus/core/types.ts";
import { Coordinator } from "../../../src/consensus/lineage/coordinator.ts";
import { defaultTimings } from "../../../src/consensus/lineage/coordinator-timings.ts";
import {
  type CoordinatorEffect,
  type LocalFacts,
} from "../../../src/consensus/lineage/coordinator-types.ts";
import { bootstrapLineage } from "../../../src/consensus/lineage/generation.ts";
import { type PromiseAnswer } from "../../../src/consensus/lineage/ports.ts";
import { type RegisterAnswer } from "../../../src/consensus/lineage/register.ts";
import { type Generation, type Lineage } from "../../../src/consensus/lineage/types.ts";

const it = suite("sim/lineage: large");
const tickMs = 250;
const silenceMs = 6000;
/** A question waits for 1.5 s, in which an agent makes no more connections than this. */
const questionMs = 1500;
const reachedInTime = 56;

const voters = ["n000", "n016", "n032", "n048", "n063"];
const configuration = { ...simpleConfiguration(voters), standbys: ["n010", "n050"] };

class Member {
  readonly id: NodeId;
  readonly cluster: Cluster;
  readonly coordinator: Coordinator;
  readonly heardAt = new Map<NodeId, number>();
  lineage: Lineage = bootstrapLineage("c");
  leader: NodeId | null = "n000";
  #met: { readonly at: number; readonly peer: NodeId }[] = [];

  constructor(id: NodeId, cluster: Cluster) {
    this.id = id;
    this.cluster = cluster;
    this.coordinator = new Coordinator({
      ...{ self: id, clusterId: "c", timings: defaultTimings },
      ...{ newId: () => "f".repeat(32), wallMs: () => 0 },
    });
  }

  facts(): LocalFacts {
    const { now, ids } = this.cluster;
    return {
      lineage: this.lineage,
      ...{ leader: this.leader, term: 2, lastTerm: 2, lastIndex: 9, commit: 9, leaderLast: 9 },
      ...{ configuration, chainAt: () => "x", admitted: ids, neighbours: [] },
      heardMs: new Map([...this.heardAt].map(([id, at]) => [id, now - at])),
      ...{ storageOk: true, hasCarrier: true, upMs: 60_000 + now, slowness: 1 },
      settings: {
        ...{ policy: "silence", timers: { silenceMs, coldMs: 120_000 } },
        ...{ hold: false, fence: false },
      },
    };
  }

  tick(): void {
    this.#do(this.coordinator.tick(this.cluster.now, this.facts()));
  }

  #do(effects: readonly CoordinatorEffect[]): void {
    const { now } = this.cluster;
    for (const effect of effects) {
      if (effect.kind === "enter") this.cluster.entered.push({ child: effect.child, at: now });
      const to = "to" in effect ? (this.cluster.live.get(effect.to) ?? null) : null;
      if (to === null) continue;
      if (effect.kind === "hello" && this.#reaches(to)) this.#greet(to);
      if (effect.kind === "survey" && this.#reaches(to)) this.#survey(to);
      // As many as there are, in turn, each with a time of its own.
      if (effect.kind === "prepare") {
        const answer = to.#written(to.coordinator.promise(effect.request, to.facts()));
        this.#do(this.coordinator.prepared(to.id, answer, now, this.facts()));
      }
      if (effect.kind === "accept") {
        const answer = to.#written(to.coordinator.accept(effect.request, to.facts()));
        this.#do(this.coordinator.accepted(to.id, answer, now, this.facts()));
      }
    }
  }

  /** Over a connection that is there, or within the time for a new one. */
  #reaches(to: Member): boolean {
    const { now } = this.cluster;
    const isMet = (peer: NodeId): boolean => this.#met.some((one) => one.peer === peer);
    this.#met = this.#met.filter(({ at }) => now - at < questionMs);
    if (!isMet(to.id) && this.#met.length >= reachedInTime) return false;
    if (!isMet(to.id)) this.#met.push({ at: now, peer: to.id });
    this.heardAt.set(to.id, now);
    to.heardAt.set(this.id, now);
    return true;
  }

  #greet(to: Member): void {
    const { now } = this.cluster;
    const hello = this.coordinator.hello(this.facts(), null);
    to.#do(to.coordinator.greeted(hello, now, to.facts()));
    this.#do(this.coordinator.greeted(to.coordinator.hello(to.facts(), hello), now, this.facts()));
  }

  #survey(to: Member): void {
    const { now } = this.cluster;
    const own = this.coordinator.survey(now, this.facts());
    to.coordinator.surveyed(this.id, own, now, to.facts());
    this.coordinator.surveyAnswered(to.id, to.coordinator.survey(now, to.facts()), now);
  }

  #written({ granted, promise, write }: RegisterAnswer): PromiseAnswer {
    if (write) this.lineage = { ...this.lineage, promise };
    return { granted, promise, term: 2, lastTerm: 2, lastIndex: 9, commit: 9 };
  }
}

class Cluster {
  readonly ids = Array.from({ length: 64 }, (_, n) => `n${String(n).padStart(3, "0")}`);
  readonly live = new Map(this.ids.map((id) => [id, new Member(id, this)]));
  readonly entered: { readonly child: Generation; readonly at: number }[] = [];
  now = 0;

  run(untilMs: number): void {
    for (; this.now < untilMs && this.entered.length === 0; this.now += tickMs) {
      for (const member of this.live.values()) member.tick();
    }
  }
}

it("sixty-four agents, hosts of three voters of five die: all others go on together", () => {
  const cluster = new Cluster();
  for (const { heardAt } of cluster.live.values()) {
    for (const id of cluster.ids) heardAt.set(id, 0);
  }
  cluster.run(1000);
  for (const id of voters.slice(0, 3)) cluster.live.delete(id);
  for (const member of cluster.live.values()) member.leader = null;
  cluster.run(60_000);
  const { child, at } = must(cluster.entered[0], "they go on");
  assert.equal(child.members, [...cluster.live.keys()]);
  assert.equal(child.lost, voters.slice(0, 3));
  assert.ok(at >= silenceMs && at <= 3 * silenceMs, `after ${at} ms`);
});

it.run();
