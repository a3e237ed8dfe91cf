/** SIGKILL of the leader under a light load of writes to the others: how long none succeeds. */
import { EtcdCluster } from "../etcd.ts";
import { type Experiment, median, round, type Row, type Settings } from "../experiment.ts";
import { MusterCluster } from "../muster.ts";
import { Probe, type Target } from "../probe.ts";
import { etcdTargets, musterTargets } from "../targets.ts";
import { until } from "../../test/support/until.ts";

/** A single election says little: no fewer rounds than this. */
const fewestRounds = 5;

/** Milliseconds without a successful write after `kill`. */
export async function gapAfter(
  targets: readonly Target[],
  kill: () => Promise<void>,
): Promise<{ readonly gapMs: number; readonly failures: readonly string[] }> {
  const probe = new Probe(targets);
  try {
    await until({ what: "writes succeed" }, () => probe.answeredMs.length > 50);
    const killedMs = performance.now();
    await kill();
    const enough = (): boolean => probe.answeredMs.filter((at) => at > killedMs).length > 50;
    await until({ what: "writes succeed again", everyMs: 10 }, enough);
    await probe.stop();
    return { gapMs: probe.longestGapMs(killedMs), failures: probe.failures };
  } finally {
    await probe.stop();
  }
}

async function run({ rounds, note }: Settings): Promise<readonly Row[]> {
  await using muster = await MusterCluster.start();
  await using etcd = await EtcdCluster.start();
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let i = 0; i < Math.max(rounds, fewestRounds); i += 1) {
    const leader = await muster.leader();
    const others = musterTargets(await muster.followers(), muster.token);
    const { gapMs } = await gapAfter(others, async () => void (await leader.agent.kill("SIGKILL")));
    ours.push(gapMs);
    muster.restart(leader);
    await muster.settled();

    const port = await etcd.leaderPort();
    const rest = etcdTargets(etcd.ports.filter((other) => other !== port));
    theirs.push((await gapAfter(rest, () => etcd.kill(port))).gapMs);
    await etcd.restart(port);
    note(`round ${i + 1}: ${round(gapMs)} : ${round(theirs.at(-1) ?? NaN)} ms`);
  }
  const list = (values: readonly number[]): string => values.map((ms) => Math.round(ms)).join(" ");
  const [a, b] = [median(ours), median(theirs)];
  return [
    { "": "median, ms", Muster: Math.round(a), etcd: Math.round(b), ratio: round(a / b) },
    { "": "single runs, ms", Muster: list(ours), etcd: list(theirs), ratio: "" },
  ];
}

export const failover: Experiment = {
  name: "failover",
  about: "longest time without a successful write around SIGKILL of the leader",
  needs: ["etcd"],
  run,
};
