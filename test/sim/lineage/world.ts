/**
 * A simulated cluster of coordinators: time, network, nemesis, clients, and the invariants of consensus.md §2.10.
 * Everything follows from the seed. What clients were told is written must be in the one history that is left at the
 * end.
 */
import { must } from "../../../src/base/assert.ts";
import { type Random, seededRandom } from "../../../src/base/random.ts";
import { simpleConfiguration } from "../../../src/consensus/core/configuration.ts";
import { type LogPosition, type NodeId } from "../../../src/consensus/core/types.ts";
import { type SurvivorSettings } from "../../../src/consensus/lineage/coordinator-types.ts";
import { type Generation } from "../../../src/consensus/lineage/types.ts";
import { SimAgent, simSettings } from "./agent.ts";
import { Disk, isVoter, type Item } from "./disk.ts";
import { SimNetwork } from "./network.ts";
import { change, raftStep, without } from "./raft.ts";

const stepMs = 50;

interface Pending {
  readonly agent: SimAgent;
  readonly generation: string;
  readonly index: number;
  readonly chain: string;
  readonly done: () => void;
}

export class World {
  readonly clusterId = "3f1c0f0e-0000-4000-8000-000000000001";
  readonly random: Random;
  readonly network: SimNetwork;
  readonly ids: readonly NodeId[];
  readonly disks = new Map<NodeId, Disk>();
  readonly agents = new Map<NodeId, SimAgent>();
  readonly acknowledged = new Set<string>();
  readonly trace: string[] = [];
  settings: SurvivorSettings = simSettings;
  now = 0;
  /** Generations that were entered, for the figures. */
  forks = 0;
  merges = 0;
  readonly #leaders = new Map<string, NodeId>();
  #pending: Pending[] = [];
  #ops = 0;

  constructor(nodes: number, seed: number) {
    this.random = seededRandom(seed);
    this.network = new SimNetwork(this.random);
    this.ids = Array.from({ length: nodes }, (_, i) => `n${i + 1}`);
    const config = simpleConfiguration(this.ids);
    for (const id of this.ids) {
      const disk = new Disk(this.clusterId);
      disk.term = 1;
      disk.append({
        term: 1,
        kind: "config",
        ops: [],
        config: { ...config, index: 1 },
        begins: null,
      });
      disk.commit = 1;
      this.disks.set(id, disk);
      this.network.groups.set(id, 0);
      this.start(id);
    }
  }

  start(id: NodeId): void {
    if (this.running(id) !== null) return;
    const disk = must(this.disks.get(id), "every node has a disk");
    this.agents.set(id, new SimAgent(id, disk, this));
    this.note(`${id} starts`);
  }

  crash(id: NodeId): void {
    const agent = this.running(id);
    if (agent === null) return;
    agent.dead = true;
    this.note(`${id} dies`);
  }

  running(id: NodeId): SimAgent | null {
    const agent = this.agents.get(id);
    return agent === undefined || agent.dead ? null : agent;
  }

  live(): readonly SimAgent[] {
    return this.ids.flatMap((id) => this.running(id) ?? []);
  }

  newId(): string {
    return Array.from({ length: 32 }, () => this.random.below(16).toString(16)).join("");
  }

  note(text: string): void {
    this.trace.push(`${(this.now / 1000).toFixed(2)} ${text}`);
  }

  /** Lets `ms` pass. */
  run(ms: number): void {
    const end = this.now + ms;
    while (this.now < end) {
      this.now += stepMs;
      this.network.run(this.now);
      for (const agent of this.live()) if (this.now % agent.tickEveryMs === 0) agent.tick();
      for (const agent of this.live()) if (this.now % 100 === 50) raftStep(agent, this);
      this.#settle();
      if (this.now % 200 === 0) this.#write();
    }
  }

  /** Runs until `fact` holds. @throws Error with the trace's end when it does not within `limitMs`. */
  until(what: string, limitMs: number, fact: () => boolean): number {
    const begun = this.now;
    while (!fact()) {
      if (this.now - begun > limitMs) this.fail(`${limitMs} ms passed in vain: ${what}`);
      this.run(stepMs);
    }
    return this.now - begun;
  }

  fail(what: string): never {
    const agents = this.ids.map((id) => {
      const disk = must(this.disks.get(id), "every node has a disk");
      const path = disk.lineage.generations.map((one) => one.id.slice(0, 4)).join(">");
      const agent = this.running(id);
      const state = agent?.coordinator.status();
      const promise = disk.lineage.promise === null ? "" : " promised";
      return `${id} ${path}${promise} last ${disk.lastTerm}/${disk.lastIndex} commit ${disk.commit} term ${disk.term} leader ${agent?.leaderInSight ?? null} ${state?.state} ${state?.plan?.why ?? ""}`;
    });
    throw new Error(`${what}\n${this.trace.slice(-60).join("\n")}\n${agents.join("\n")}`);
  }

  // ---- what the agents tell ------------------------------------------------------------------------------------

  elected(agent: SimAgent, term: number): void {
    const key = `${agent.disk.generation.id} ${term}`;
    const other = this.#leaders.get(key);
    if (other !== undefined && other !== agent.id)
      this.fail(`two leaders in ${key}: ${other}, ${agent.id}`);
    this.#leaders.set(key, agent.id);
    this.note(`${agent.id} leads ${agent.disk.generation.id.slice(0, 4)} in term ${term}`);
  }

  committed({ disk }: SimAgent): void {
    disk.commit = disk.lastIndex;
  }

  truncated({ id, disk }: SimAgent, items: readonly Item[]): void {
    const { commit } = disk;
    if (commit > 0 && items[commit - 1]?.chain !== disk.items[commit - 1]?.chain) {
      this.fail(`${id} loses committed entries`);
    }
  }

  /** G1, G3: a path only grows by children, except by starting over. */
  moved({ id, disk }: SimAgent, generations: readonly Generation[], how: "extend" | "reset"): void {
    const path = generations.map((one) => one.id.slice(0, 4)).join(">");
    this.note(`${id} ${how}s to ${path}`);
    if (how === "reset") {
      this.merges += 1;
      return;
    }
    this.forks += 1;
    if (!generations.some((one) => one.id === disk.generation.id))
      this.fail(`${id} leaves its path`);
  }

  /** The winner's side takes what a loser has; `done` when it is committed. */
  merge(peer: SimAgent, ops: readonly string[], done: () => void): void {
    if (ops.length === 0) return done();
    const leader = this.#leaderOf(peer);
    if (leader === null) return;
    const known = new Set(leader.disk.ops());
    const missing = ops.filter((op) => !known.has(op));
    this.#append(leader, "merge", missing, done);
  }

  demote(peer: SimAgent, node: NodeId, done: (commit: LogPosition) => void): void {
    const leader = this.#leaderOf(peer);
    if (leader === null || leader.disk.commit < leader.disk.lastIndex) return;
    const { configuration } = leader.disk;
    const { lastTerm: term, lastIndex: index } = leader.disk;
    if (!isVoter(configuration, node)) return done({ term, index });
    if (leader.id === node || configuration.sets.flat().length === 1) return;
    change(leader, { ...without(configuration, node), lost: [...configuration.lost, node] });
  }

  // ---- clients -------------------------------------------------------------------------------------------------

  #write(): void {
    for (const agent of this.live()) {
      if (!agent.leads || this.now - agent.quorumAt > 300 || this.random.float() < 0.5) continue;
      this.#ops += 1;
      const op = `${this.#ops}@${agent.id}`;
      this.#append(agent, "op", [op], () => this.acknowledged.add(op));
    }
  }

  #append(leader: SimAgent, kind: "op" | "merge", ops: readonly string[], done: () => void): void {
    const { disk } = leader;
    if (!leader.leads) return;
    disk.append({ term: disk.term, kind, ops, config: null, begins: null });
    const chain = disk.chainAt(disk.lastIndex) ?? "";
    const generation = disk.generation.id;
    this.#pending.push({ agent: leader, generation, index: disk.lastIndex, chain, done });
  }

  #settle(): void {
    if (this.#pending.length === 0) return;
    const left: Pending[] = [];
    for (const one of this.#pending) {
      const { agent, generation, index, chain, done } = one;
      const { disk } = agent;
      if (!agent.leads || disk.generation.id !== generation || disk.chainAt(index) !== chain)
        continue;
      if (disk.commit >= index) done();
      else left.push(one);
    }
    this.#pending = left;
  }

  #leaderOf({ disk, leaderInSight, id }: SimAgent): SimAgent | null {
    const leader = leaderInSight === null ? null : this.running(leaderInSight);
    const same = leader?.leads === true && leader.disk.generation.id === disk.generation.id;
    const reached = leader !== null && (leader.id === id || this.network.linked(id, leader.id));
    return same && reached ? leader : null;
  }
}
