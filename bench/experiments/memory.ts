/** A day's worth of overwrites of a bounded set of keys: memory and disk must not grow with the number of writes. */
import { execFileSync } from "node:child_process";
import { type Experiment, round, type Row, type Settings } from "../experiment.ts";
import { MusterCluster } from "../muster.ts";
import { rssMib } from "../process-cpu.ts";
import { runWrk } from "../wrk.ts";

const defaultWrites = 2_000_000;
const clients = 128;
const sliceSeconds = 10;
const mostRows = 20;

async function run({ entries, note }: Settings): Promise<readonly Row[]> {
  const goal = entries ?? defaultWrites;
  await using cluster = await MusterCluster.start();
  const leader = await cluster.leader();
  const rows: Row[] = [picture(cluster, 0)];
  let written = 0;
  for (let slice = 1; written < goal; slice += 1) {
    const args = [cluster.token, String(slice)];
    const shape = { script: "muster-put", clients, seconds: sliceSeconds, args } as const;
    const { perSecond } = await runWrk({ ...shape, port: leader.apiPort });
    written += perSecond * sliceSeconds;
    note(`${Math.round(written)} of ${goal} writes, ${round(perSecond)}/s`);
    if (written >= (rows.length * goal) / mostRows) rows.push(picture(cluster, written));
  }
  return rows;
}

function picture(cluster: MusterCluster, written: number): Row {
  const du = (folder: string): number =>
    Number(execFileSync("du", ["-sm", folder], { encoding: "utf8" }).split("\t")[0]);
  return {
    writes: Math.round(written),
    "RSS of the three, MiB": cluster.pids.map((pid) => Math.round(rssMib(pid))).join(" "),
    "disk of the three, MiB": cluster.members.map(({ agent }) => du(agent.dataDir)).join(" "),
  };
}

export const memory: Experiment = {
  name: "memory",
  about: "memory and disk of three agents over millions of overwrites of 2000 keys",
  needs: ["wrk"],
  run,
};
