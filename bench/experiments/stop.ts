/** SIGTERM of the leader while all three members take writes: none may fail, and the pause should be short. */
import { EtcdCluster } from "../etcd.ts";
import { type Experiment, median, round, type Row, type Settings } from "../experiment.ts";
import { MusterCluster } from "../muster.ts";
import { etcdTargets, musterTargets } from "../targets.ts";
import { gapAfter } from "./failover.ts";

interface Stopped {
  readonly gapMs: number;
  readonly failures: readonly string[];
  readonly exitMs: number;
}

async function stopUnder(
  targets: Parameters<typeof gapAfter>[0],
  stop: () => Promise<void>,
): Promise<Stopped> {
  let exitMs = 0;
  const result = await gapAfter(targets, async () => {
    const begun = performance.now();
    await stop();
    exitMs = performance.now() - begun;
  });
  return { ...result, exitMs };
}

async function run({ rounds, note }: Settings): Promise<readonly Row[]> {
  await using muster = await MusterCluster.start();
  await using etcd = await EtcdCluster.start();
  const ours: Stopped[] = [];
  const theirs: Stopped[] = [];
  for (let i = 0; i < rounds; i += 1) {
    const leader = await muster.leader();
    const targets = musterTargets(muster.members, muster.token);
    ours.push(await stopUnder(targets, async () => void (await leader.agent.kill("SIGTERM"))));
    muster.restart(leader);
    await muster.settled();

    const port = await etcd.leaderPort();
    theirs.push(await stopUnder(etcdTargets(etcd.ports), () => etcd.kill(port, "SIGTERM")));
    await etcd.restart(port);
    note(
      `round ${i + 1}: ${round(ours.at(-1)?.gapMs ?? NaN)} : ${round(theirs.at(-1)?.gapMs ?? NaN)} ms`,
    );
  }
  return [rowOf("Muster", ours), rowOf("etcd", theirs)];
}

function rowOf(system: string, runs: readonly Stopped[]): Row {
  const failures = runs.flatMap((run) => run.failures);
  const kinds = [...new Set(failures)].join(" ");
  return {
    system,
    "longest gap, median ms": round(median(runs.map((run) => run.gapMs))),
    "single runs, ms": runs.map((run) => Math.round(run.gapMs)).join(" "),
    "failed writes": failures.length === 0 ? 0 : `${failures.length} (${kinds})`,
    "until the process ended, median ms": round(median(runs.map((run) => run.exitMs))),
  };
}

export const stop: Experiment = {
  name: "stop",
  about: "writes to all members (200 a second) while the leader is stopped with SIGTERM",
  needs: ["etcd"],
  run,
};
