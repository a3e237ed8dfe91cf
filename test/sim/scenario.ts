/**
 * One run: chaos for a while, then everything heals and the cluster must come back: a leader, the same log and the same
 * state everywhere, and a history of clients that one copy could have given. Returns the violation instead of throwing,
 * so that a caller can print how to replay it.
 */
import process from "node:process";
import { AssertionError } from "../../src/base/assert.ts";
import { hasQuorum } from "../../src/consensus/core/quorum.ts";
import { replicationTargets } from "../../src/consensus/core/configuration.ts";
import { Clients } from "./clients.ts";
import { SimCluster } from "./cluster.ts";
import { valueIn } from "./ledger.ts";
import { Nemesis } from "./nemesis.ts";
import { type SimNode } from "./node.ts";
import { Operator } from "./operator.ts";
import * as production from "./production.ts";
import { drawProfile, type Profile } from "./profile.ts";
import { type Course, courses, type ProfileName, profileNamed } from "./profiles.ts";
import { concerns, stream } from "./streams.ts";
import { require, Violation } from "./violation.ts";

export interface RunOptions {
  readonly seed: number;
  readonly name?: ProfileName;
  readonly chaosMs?: number;
  /** Changes to the drawn profile. */
  readonly profile?: (drawn: Profile) => Profile;
  readonly production?: typeof production;
  readonly direct?: boolean;
  readonly traceLines?: number;
  /** Nothing goes wrong any more after so many events. */
  readonly maxEvents?: number;
}

export interface RunResult {
  readonly seed: number;
  readonly violation: string | null;
  /** The last events. */
  readonly trace: string;
  readonly events: number;
  readonly virtualMs: number;
  /** Of all that happened: equal for equal seeds. */
  readonly hash: string;
  readonly commit: number;
  readonly changes: number;
  readonly answered: number;
  readonly unknown: number;
  /** False when the histories of clients were too hard to judge. */
  readonly judged: boolean;
  /** How often a node began, followed into and started over in a generation. */
  readonly generations: Readonly<Record<"forced" | "adopted" | "reset", number>>;
  readonly struck: ReadonlyMap<string, number>;
  readonly profile: Profile;
}

export interface Stage {
  readonly cluster: SimCluster;
  readonly nemesis: Nemesis;
  readonly clients: Clients;
  readonly operator: Operator;
  readonly seed: number;
}

const defaultChaosMs = 45_000;

/** Must be called where microtasks can be run on demand: see `onMacrotask`. */
export function run(options: RunOptions): RunResult {
  const { seed, name = "safety" } = options;
  const random = stream(seed, concerns.profile);
  const drawn = profileNamed(name, drawProfile(random, options.chaosMs ?? defaultChaosMs), random);
  const profile = options.profile?.(drawn) ?? drawn;
  const cluster = new SimCluster({
    seed,
    profile,
    production: options.production ?? production,
    direct: options.direct ?? true,
    traceLines: options.traceLines ?? 200,
  });
  const stage: Stage = {
    ...{ cluster, seed },
    nemesis: new Nemesis(cluster, seed, options.maxEvents),
    clients: new Clients(cluster, seed),
    operator: new Operator(cluster, seed),
  };
  const rejected = (error: unknown): void => cluster.fail(error as Error);
  process.on("unhandledRejection", rejected);
  let violation: string | null = null;
  let judged = false;
  try {
    judged = play(stage, courses[name]);
  } catch (error) {
    violation = nameOf(error);
  } finally {
    process.off("unhandledRejection", rejected);
  }
  const { clock, invariants, trace } = cluster;
  return {
    ...{ seed, violation, judged, profile },
    ...{ events: clock.events, virtualMs: clock.nowMs, hash: clock.hash },
    generations: cluster.generations.counts,
    ...{ commit: invariants.commit, changes: stage.nemesis.changes, struck: stage.nemesis.struck },
    ...{ answered: stage.clients.history.answered, unknown: stage.clients.history.unknown },
    trace: violation === null ? "" : `${trace.render()}\n${cluster.describe()}`,
  };
}

function play(stage: Stage, course: Course): boolean {
  const { cluster, operator, clients, nemesis } = stage;
  cluster.start();
  operator.start();
  clients.start();
  course(stage);
  nemesis.stop();
  recover(stage);
  clients.stop();
  cluster.runFor(3000);
  clients.readAll();
  cluster.runFor(3000);
  if (cluster.chronicles.all.length > 1) nothingIsLost(cluster);
  return clients.history.judge();
}

function nameOf(error: unknown): string {
  if (error instanceof Violation || error instanceof AssertionError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Liveness: without faults there is a leader soon, and everybody it streams to gets everything. */
function recover({ cluster, operator }: Stage): void {
  const { network, trace, nodes } = cluster;
  trace.add(() => "everything heals");
  network.healAll();
  network.profile = { ...network.profile, lossChance: 0, spikeChance: 0 };
  for (const node of nodes) {
    const { medium } = node.disk;
    medium.profile = { ...medium.profile, spikeChance: 0 };
    medium.full = false;
    medium.syncErrors = 0;
    medium.hangsUntilMs = 0;
    node.resume(false);
    node.start();
  }
  const before = cluster.invariants.commit;
  // An agent that started into silence waits two minutes, before it knows other settings.
  const patienceMs = cluster.profile.survivor === null ? 25_000 : 200_000;
  const goesOn = (): boolean => cluster.invariants.commit > before + 1;
  let led = cluster.runUntil(goesOn, patienceMs);
  if (!led && isQuorumWiped(cluster)) {
    // Beyond what Raft survives: with a voter's disk its vote went, while the configuration changed.
    cluster.rescue();
    led = cluster.runUntil(goesOn, 200_000);
  }
  require(led, () => "liveness: nothing is committed after everything healed");
  const isPlain = cluster.profile.survivor === null;
  // Histories meet every few seconds, and each loser gives what it has and starts over.
  const withinMs = isPlain ? 60_000 : 180_000;
  const whole = (): boolean => isPlain || isOneHistory(cluster);
  // A host may have been ordered off just before.
  const idle = (): boolean => operator.idle && cluster.power.isIdle;
  const settled = cluster.runUntil(() => idle() && hasSettled(cluster) && whole(), withinMs);
  require(settled, () => "liveness: the nodes do not reach the same state");
}

/** A configuration in use has no quorum any more among the agents that there are. */
function isQuorumWiped({ nodes }: SimCluster): boolean {
  const ids = new Set(nodes.map(({ id }) => id));
  return nodes.some(
    ({ view: { sets } }) => sets.length > 0 && !hasQuorum(sets, (id) => ids.has(id)),
  );
}

/** Everybody is in the same generation and has a place in it. */
function isOneHistory(cluster: SimCluster): boolean {
  const status = cluster.leader()?.process?.consensus.status();
  const path = cluster.leader()?.process?.path;
  if (status === undefined || path === undefined) return false;
  const members = replicationTargets(status.effective);
  const isThere = ({ id, process }: SimNode): boolean =>
    members.includes(id) &&
    process?.path === path &&
    process.consensus.status().engine === "running";
  return cluster.nodes.every(isThere);
}

/** I14: everything that was acknowledged, anywhere and at any time. */
function nothingIsLost(cluster: SimCluster): void {
  const process = cluster.leader()?.process ?? null;
  require(process !== null, () => "liveness: there is no leader at the end");
  const { path, machine } = process;
  const { view } = machine;
  const journal = new Set(view.journal().map(({ loserValue }) => valueIn(loserValue)));
  for (const receipt of cluster.ledger.receipts) {
    const { key, value } = receipt;
    const alone = key.startsWith("alone");
    const there = alone && (view.variable(key)?.value === value || journal.has(value));
    require(there || (!alone && cluster.ledger.isKept(receipt, path)), () =>
      `I14: "${value}" of ${key} was acknowledged, and is neither in the state nor in the journal`);
  }
}

function hasSettled(cluster: SimCluster): boolean {
  const leader = cluster.leader();
  const process = leader?.process;
  if (leader === null || process === null || process === undefined) return false;
  const status = process.consensus.status();
  const members = new Set(replicationTargets(status.effective));
  return cluster.nodes.every((node) => {
    if (!members.has(node.id)) return true;
    const behind = status.commit - (node.process?.machine.appliedIndex ?? 0);
    return node.up && behind <= 2;
  });
}
