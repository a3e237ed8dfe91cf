/** A day's worth of overwrites of a bounded set of keys: memory and disk must not grow with the number of writes. */
import { spawnSync } from "node:child_process";
import { type Experiment, round, type Row, type Settings } from "../experiment.ts";
import { type Held, MemorySampler } from "../memory-sampler.ts";
import { MusterCluster } from "../muster.ts";
import { runWrk } from "../wrk.ts";

const defaultWrites = 2_000_000;
const clients = 128;
const sliceSeconds = 10;
const mostRows = 20;

async function run({ entries, note }: Settings): Promise<readonly Row[]> {
  const goal = entries ?? defaultWrites;
  await using cluster = await MusterCluster.start();
  await using sampler = new MemorySampler(cluster.members);
  const leader = await cluster.leader();
  const rows: Row[] = [];
  const look = async (done: number): Promise<void> => {
    const row = await picture(cluster, sampler, done);
    rows.push(row);
    note(JSON.stringify(row)); // what was seen stays, should the rest fail
  };
  await look(0);
  let written = 0;
  for (let slice = 1; written < goal; slice += 1) {
    const args = [cluster.token, String(slice)];
    const shape = { script: "muster-put", clients, seconds: sliceSeconds, args } as const;
    const { perSecond } = await runWrk({ ...shape, port: leader.apiPort });
    written += perSecond * sliceSeconds;
    note(`${Math.round(written)} of ${goal} writes, ${round(perSecond)}/s`);
    if (written >= (rows.length * goal) / mostRows) await look(written);
  }
  return rows;
}

async function picture(
  cluster: MusterCluster,
  sampler: MemorySampler,
  written: number,
): Promise<Row> {
  // `du` also fails when a file goes away beneath it, and has counted the others all the same.
  const disk = (folder: string): number =>
    Number(spawnSync("du", ["-sm", folder], { encoding: "utf8" }).stdout.split("\t")[0]);
  const held = await sampler.take();
  const of = (key: keyof Held): string => held.map((one) => Math.round(one[key])).join(" ");
  return {
    writes: Math.round(written),
    "RSS of the three, MiB": of("rssMib"),
    "heap, MiB": of("heapMib"),
    "buffers, MiB": of("buffersMib"),
    "disk, MiB": cluster.members.map(({ agent }) => disk(agent.dataDir)).join(" "),
  };
}

export const memory: Experiment = {
  name: "memory",
  about: "least memory since the row above, and disk, over millions of overwrites of 2000 keys",
  needs: ["wrk"],
  run,
};
