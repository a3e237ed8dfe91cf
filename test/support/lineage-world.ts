/**
 * A few agents whose logs grow, are replicated in part and split into generations as Raft and survivor mode allow,
 * one atomic step at a time and without messages: what remains is every shape of logs that the protocol can produce.
 * It remembers what only an observer of everything can know: what was committed, and what a generation kept.
 */
import { sha256Hex } from "../../src/base/digest.ts";
import { bootstrapGeneration, withGeneration } from "../../src/consensus/lineage/generation.ts";
import { type Generation, type LineageHello } from "../../src/consensus/lineage/types.ts";
import { type Random } from "../../src/base/random.ts";

export interface WorldEntry {
  readonly term: number;
  readonly id: number;
}

export interface WorldNode {
  readonly id: string;
  path: readonly Generation[];
  log: readonly WorldEntry[];
  term: number;
  commit: number;
}

interface History {
  readonly generation: Generation;
  readonly voters: readonly string[];
  /** Term and log owner of the present leader. */
  leader: WorldNode | null;
  /** What its coordinator kept of the parent. */
  readonly kept: readonly WorldEntry[];
  /** Ids of entries that were committed while this generation was the leader's. */
  readonly committed: Set<number>;
}

export const worldCluster = "world";

export class LineageWorld {
  readonly nodes: readonly WorldNode[];
  readonly histories = new Map<string, History>();
  readonly #random: Random;
  #entries = 0;
  #forks = 0;

  constructor(size: number, random: Random) {
    this.#random = random;
    const root = bootstrapGeneration(worldCluster);
    const ids = Array.from({ length: size }, (_, i) => `n${i}`);
    this.nodes = ids.map((id) => ({ id, path: [root], log: [], term: 0, commit: 0 }));
    this.#begin(root, ids, []);
  }

  /** One random step: election, write, replication, knowledge of a commit, or a fork. */
  step(): void {
    const node = this.#pick(this.nodes);
    const choice = this.#random.below(12);
    if (choice < 2) this.#elect(node);
    else if (choice < 5) this.#append(node);
    else if (choice < 9) this.#replicate(node);
    else if (choice < 11) this.#learn(node);
    else if (this.#forks < 5) this.force(this.#someOf(node));
  }

  historyOf(node: WorldNode): History {
    const found = this.histories.get(node.path.at(-1)?.id ?? "");
    if (found === undefined) throw new Error("every generation has a history");
    return found;
  }

  /** Everybody in `survivors` (all of one generation) goes on in a new one. */
  force(survivors: readonly WorldNode[]): Generation {
    const best = survivors.reduce((a, b) => (compareLogs(b, a) > 0 ? b : a));
    const parent = this.historyOf(best).generation;
    const last = best.log.at(-1);
    const child: Generation = {
      ...{ n: parent.n + 1, id: sha256Hex(`${(this.#forks += 1)}`).slice(0, 32) },
      ...{ parent: parent.id, kind: this.#pick(["forced-auto", "forced-operator"] as const) },
      ...{ forkIndex: best.log.length, forkTerm: last?.term ?? 0, forkChain: chainOf(best.log) },
      legitCommit: Math.max(...survivors.map(({ commit }) => commit)),
      members: survivors.map(({ id }) => id).sort(),
      ...{ coordinator: best.id, lost: [], outlived: this.#random.below(2) === 0 },
      ...{ missingAtMost: null, at: 0 },
    };
    const term = Math.max(...survivors.map((node) => node.term)) + 1;
    for (const node of survivors) this.enter(node, child, child.forkIndex);
    const voters = survivors.map(({ id }) => id);
    this.#begin(child, voters, best.log);
    best.term = term;
    this.historyOf(best).leader = best;
    this.#append(best);
    return child;
  }

  enter(node: WorldNode, child: Generation, keepTo: number): void {
    const history = this.historyOf(node);
    if (history.leader === node) history.leader = null;
    node.path = withGeneration(node.path, child);
    node.log = node.log.slice(0, keepTo);
  }

  hello(node: WorldNode): LineageHello {
    const { path, log, commit } = node;
    const leader = this.#live(node) ? (this.historyOf(node).leader?.id ?? null) : null;
    const chains = log.map((_, i) => [i + 1, chainOf(log.slice(0, i + 1))] as const);
    const lastTerm = log.at(-1)?.term ?? 0;
    const end = { lastTerm, lastIndex: log.length, commit };
    const who = { clusterId: worldCluster, from: node.id };
    return { ...who, generations: path, promise: null, ...end, leader, chains };
  }

  /** The present leader of the node's generation has a majority of its voters with it. */
  #live(node: WorldNode): boolean {
    const history = this.historyOf(node);
    return history.leader !== null && this.#isMajority(history, this.#inside(history));
  }

  #inside({ generation }: History): readonly WorldNode[] {
    return this.nodes.filter((node) => node.path.at(-1)?.id === generation.id);
  }

  #isMajority({ voters }: History, nodes: readonly WorldNode[]): boolean {
    return 2 * nodes.filter(({ id }) => voters.includes(id)).length > voters.length;
  }

  /** Wins only with the votes of a majority, none of which has a better log or a later term. */
  #elect(node: WorldNode): void {
    const history = this.historyOf(node);
    const { generation, voters } = history;
    if (!voters.includes(node.id)) return;
    if (generation.parent !== null && node.log.length <= generation.forkIndex) return;
    const term = node.term + 1;
    const votes = this.#inside(history).filter(
      (one) => one === node || (one.term < term && compareLogs(one, node) <= 0),
    );
    if (!this.#isMajority(history, votes)) return;
    for (const one of votes) one.term = term;
    history.leader = node;
    this.#append(node);
  }

  #append(node: WorldNode): void {
    if (this.historyOf(node).leader !== node) return;
    node.log = [...node.log, { term: node.term, id: (this.#entries += 1) }];
    this.#commit(node);
  }

  /** The leader's log, or its first part, reaches the node. */
  #replicate(node: WorldNode): void {
    const { leader } = this.historyOf(node);
    if (leader === null || leader === node || node.term > leader.term) return;
    node.term = leader.term;
    const shared = sharedLength(node.log, leader.log);
    const end = shared + this.#random.below(leader.log.length - shared + 1);
    const conflicts = node.log.length > shared && end > shared;
    if (conflicts || end > node.log.length) node.log = leader.log.slice(0, end);
    this.#commit(leader);
  }

  /** Only what a majority of voters has, and of the leader's own term at its end, is committed. */
  #commit(leader: WorldNode): void {
    const history = this.historyOf(leader);
    for (let end = leader.log.length; end > leader.commit; end -= 1) {
      if (leader.log[end - 1]?.term !== leader.term) return;
      const having = this.#inside(history).filter(
        (one) => one.term <= leader.term && sharedLength(leader.log, one.log) >= end,
      );
      if (!this.#isMajority(history, having)) continue;
      leader.commit = end;
      for (const { id } of leader.log.slice(0, end)) history.committed.add(id);
      return;
    }
  }

  #learn(node: WorldNode): void {
    const { leader } = this.historyOf(node);
    if (leader === null || node.term !== leader.term) return;
    const known = this.#random.below(leader.commit + 1);
    node.commit = Math.max(node.commit, Math.min(known, sharedLength(node.log, leader.log)));
  }

  #someOf(node: WorldNode): readonly WorldNode[] {
    const inside = this.#inside(this.historyOf(node));
    return inside.filter((one) => one === node || this.#random.below(3) === 0);
  }

  #begin(generation: Generation, voters: readonly string[], kept: readonly WorldEntry[]): void {
    const history = { generation, voters, leader: null, kept, committed: new Set<number>() };
    this.histories.set(generation.id, history);
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[this.#random.below(items.length)];
    if (item === undefined) throw new Error("something to pick from");
    return item;
  }
}

export function compareLogs(a: WorldNode, b: WorldNode): number {
  return (a.log.at(-1)?.term ?? 0) - (b.log.at(-1)?.term ?? 0) || a.log.length - b.log.length;
}

export function sharedLength(a: readonly WorldEntry[], b: readonly WorldEntry[]): number {
  const differs = a.findIndex((entry, i) => b[i]?.id !== entry.id);
  return differs === -1 ? a.length : differs;
}

function chainOf(log: readonly WorldEntry[]): string {
  return log.map(({ id }) => id).join(".");
}
