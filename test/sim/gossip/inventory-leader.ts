/**
 * What gossip costs the inventory: production's policy of reachability on one node, which leads. It is asked at the pace
 * of production's reporter, and what it proposes is in force at once, as nothing fails Raft here.
 */
import { type PeerId } from "../../../src/base/ids.ts";
import { MemberViews } from "../../../src/gossip/driver/member-views.ts";
import { type MemberEvent } from "../../../src/gossip/ports.ts";
import { type NodeRecord } from "../../../src/inventory/records.ts";
import { ReachabilityPolicy } from "../../../src/lifecycle/reachability.ts";
import { defaultReporterOptions } from "../../../src/lifecycle/reachability-reporter.ts";
import { type SimEvent, type Simulation } from "./simulation.ts";

/** Of the reporter's loop: several events make one turn. */
const gapMs = 50;

export class InventoryLeader {
  /** Changes of each member's reachability. */
  readonly changes = new Map<PeerId, number>();
  entries = 0;
  readonly #sim: Simulation;
  readonly #ix: number;
  readonly #policy = new ReachabilityPolicy();
  readonly #views: MemberViews;
  readonly #nodes = new Map<PeerId, NodeRecord>();
  #nextEntryAt = 0;
  #nextAskAt = 0;
  #turnAt = Infinity;

  /** `ix` has led for a while, and its view agreed with another's. */
  constructor(sim: Simulation, ix: number) {
    this.#sim = sim;
    this.#ix = ix;
    this.#views = new MemberViews(sim.directory, sim.node(ix).core.table);
    for (const { ix: member } of sim.nodes) {
      const { id, name, address } = sim.firstRecord(member);
      this.#nodes.set(id, nodeRecord({ id, name, address }));
    }
    this.#policy.setLeaderSince(sim.now);
    this.#turn();
  }

  hear({ node, kind, member, at }: SimEvent): void {
    if (node !== this.#ix) return;
    const view = this.#views.at(member);
    const event: MemberEvent | null =
      kind === "reap"
        ? { kind, id: this.#sim.directory.id(member) }
        : view && { kind, member: view };
    if (event !== null) this.#policy.note(event, at);
    this.#turnIn(gapMs);
  }

  #askOthers(): void {
    if (this.#sim.now < this.#nextAskAt) return;
    this.#nextAskAt = this.#sim.now + defaultReporterOptions.intervalMs;
    this.#sim.node(this.#ix).post({ kind: "compare" });
  }

  #turnIn(ms: number): void {
    const at = this.#sim.now + ms;
    if (at >= this.#turnAt) return;
    this.#turnAt = at;
    this.#sim.after(ms, () => {
      if (this.#turnAt === at) this.#turn();
    });
  }

  #turn(): void {
    this.#turnAt = Infinity;
    const { sweepMs, intervalMs } = defaultReporterOptions;
    const { core } = this.#sim.node(this.#ix);
    const { now } = this.#sim;
    const { changes, wakeAt, asksOthers } = this.#policy.plan({
      now,
      nodes: [...this.#nodes.values()],
      member: (id) => this.#views.find(id),
      healthScore: core.health().score,
      neighbours: core.neighbours.map((ix) => this.#sim.directory.id(ix)),
      viewAgrees: core.convergence(now).agrees === true,
      agreedAt: core.convergence(now).agreedAt,
      othersUp: core.health().members - 1,
    });
    if (asksOthers) this.#askOthers();
    if (changes.length === 0) return this.#turnIn(Math.min(sweepMs, (wakeAt ?? Infinity) - now));
    if (now < this.#nextEntryAt) return this.#turnIn(this.#nextEntryAt - now);
    this.#nextEntryAt = now + intervalMs;
    this.entries += 1;
    for (const change of changes) {
      const before = this.#nodes.get(change.id);
      if (before !== undefined) this.#nodes.set(change.id, { ...before, ...change });
      this.changes.set(change.id, (this.changes.get(change.id) ?? 0) + 1);
    }
    this.#turnIn(intervalMs);
  }
}

function nodeRecord(node: Pick<NodeRecord, "id" | "name" | "address">): NodeRecord {
  return {
    ...node,
    ...{ phase: "discovered", reachability: "reachable", reachabilitySince: 0, facts: null },
    ...{ revision: null, appliedRoles: [], conditions: [], job: null, lastJob: null },
    ...{ discoveredAt: 0, version: 1 },
  };
}
