/** SIGKILL and restart of a follower with a long log: until it serves again. */
import { type Experiment, median, round, type Row, type Settings } from "../experiment.ts";
import { MusterCluster } from "../muster.ts";
import { runWrk } from "../wrk.ts";
import { until } from "../../test/support/until.ts";

const defaultEntries = 100_000;
/** Keeps every entry in the log: the longest replay there can be. */
const noSnapshots = ["--snapshot-entries", "10000000"];

interface Case {
  readonly what: string;
  readonly args: readonly string[];
}

async function measure(cluster: MusterCluster, rounds: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let i = 0; i < rounds; i += 1) {
    const [follower] = await cluster.followers();
    if (follower === undefined) throw new Error("There is no follower");
    await follower.agent.kill("SIGKILL");
    const begun = performance.now();
    cluster.restart(follower);
    await until({ what: "the follower serves", everyMs: 10 }, async () => {
      return (await follower.agent.api("GET", "/readyz")).status === 200;
    });
    times.push(performance.now() - begun);
    await cluster.settled();
  }
  return times;
}

async function run({ rounds, entries, note }: Settings): Promise<readonly Row[]> {
  const goal = entries ?? defaultEntries;
  const cases: readonly Case[] = [
    { what: "with snapshots (default)", args: [] },
    { what: "without a snapshot", args: noSnapshots },
  ];
  const rows: Row[] = [];
  for (const { what, args } of cases) {
    await using cluster = await MusterCluster.start(args);
    const empty = await measure(cluster, rounds);
    const written = await fill(cluster, goal);
    note(`${what}: ${written} entries written`);
    const full = await measure(cluster, rounds);
    rows.push({
      case: what,
      entries: written,
      "empty log, median ms": Math.round(median(empty)),
      "full log, median ms": Math.round(median(full)),
      "single runs, ms": full.map((ms) => Math.round(ms)).join(" "),
    });
  }
  return rows.map((row) => ({ ...row, rounds: round(rounds) }));
}

/** Writes until the log has `goal` entries; returns how many it has. */
async function fill(cluster: MusterCluster, goal: number): Promise<number> {
  const leader = await cluster.leader();
  for (let turn = 1; ; turn += 1) {
    const args = [cluster.token, String(turn)];
    const shape = { script: "muster-put", clients: 128, seconds: 3, args } as const;
    await runWrk({ ...shape, port: leader.apiPort });
    const answer = await leader.agent.api("GET", "/livez");
    const index = Number(answer.headers["muster-index"]);
    if (index >= goal) return index;
  }
}

export const restart: Experiment = {
  name: "restart",
  about: "process start of a killed follower until it is ready, with a long log",
  needs: ["wrk"],
  run,
};
