/**
 * One run: chaos for a while, then everything heals and the cluster must come back: a leader, the same log and the
 * same state everywhere. Returns the violation instead of throwing, so that a caller can print how to replay it.
 */
import { createCore } from "../../src/consensus/core/raft.ts";
import { replicationTargets } from "../../src/consensus/core/configuration.ts";
import { AssertionError } from "../../src/base/assert.ts";
import { stream, SimCluster } from "./cluster.ts";
import { Nemesis } from "./nemesis.ts";
import { type CoreFactory } from "./node.ts";
import { drawProfile, type Profile } from "./profile.ts";
import { require, Violation } from "./violation.ts";

export interface RunOptions {
  readonly seed: number;
  readonly chaosMs?: number;
  readonly profile?: Partial<Profile>;
  readonly createCore?: CoreFactory;
  readonly ackEarly?: boolean;
  readonly direct?: boolean;
  readonly traceLines?: number;
}

export interface RunResult {
  readonly seed: number;
  readonly violation: string | null;
  readonly report: string;
  readonly events: number;
  readonly commit: number;
  readonly changes: number;
  readonly readsAnswered: number;
  readonly profile: Profile;
}

export function run(options: RunOptions): RunResult {
  const { seed } = options;
  const profile = {
    ...drawProfile(stream(seed, 0), options.chaosMs ?? 10_000),
    ...options.profile,
  };
  const cluster = new SimCluster({
    seed,
    profile,
    createCore: options.createCore ?? createCore,
    ackEarly: options.ackEarly ?? false,
    direct: options.direct ?? true,
    traceLines: options.traceLines ?? 80,
  });
  const nemesis = new Nemesis(cluster, profile.nemesis, seed);
  let violation: string | null = null;
  try {
    cluster.start();
    nemesis.start();
    cluster.runFor(profile.chaosMs);
    nemesis.stop();
    recover(cluster, nemesis);
  } catch (error) {
    violation = nameOf(error);
  }
  return {
    seed,
    violation,
    report: violation === null ? "" : report({ seed, violation, cluster }),
    events: cluster.trace.count,
    commit: cluster.invariants.commit,
    changes: nemesis.changes,
    readsAnswered: cluster.readsAnswered,
    profile,
  };
}

function nameOf(error: unknown): string {
  if (error instanceof Violation || error instanceof AssertionError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Liveness: without faults there is a leader soon, and everybody it streams to gets everything. */
function recover(cluster: SimCluster, nemesis: Nemesis): void {
  cluster.trace.add(() => "everything heals");
  cluster.network.healAll();
  cluster.resumeAll();
  cluster.network.profile = { ...cluster.network.profile, lossChance: 0, spikeChance: 0 };
  for (const node of cluster.nodes) {
    node.view.disk.profile = { ...node.view.disk.profile, spikeChance: 0 };
    node.start();
  }
  const before = cluster.invariants.commit;
  const led = cluster.runUntil(() => {
    nemesis.propose();
    return cluster.leader() !== null && cluster.invariants.commit > before;
  }, 20_000);
  require(led, () => "liveness: nothing is committed after everything healed");
  const settled = cluster.runUntil(() => hasSettled(cluster), 60_000);
  require(settled, () => "liveness: the nodes do not reach the same state");
}

function hasSettled(cluster: SimCluster): boolean {
  const leader = cluster.leader();
  const status = leader?.core?.status();
  if (leader === null || status === undefined || status.commit !== status.last) return false;
  const members = new Set(replicationTargets(status.effective));
  return cluster.nodes.every((node) => {
    if (!members.has(node.id)) return true;
    const { index, hash } = node.machine.state;
    return index === status.commit && hash === leader.machine.state.hash;
  });
}

interface Failure {
  readonly seed: number;
  readonly violation: string;
  readonly cluster: SimCluster;
}

function report({ seed, violation, cluster }: Failure): string {
  return [
    cluster.trace.render(),
    `seed ${seed}: ${violation}`,
    `replay: node test/sim/run.ts --seed ${seed}`,
  ].join("\n");
}
