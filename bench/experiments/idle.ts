/** CPU and memory of three agents that have nothing to do, beside three etcd members. */
import { delay, systemClock } from "../../src/base/clock.ts";
import { EtcdCluster } from "../etcd.ts";
import { type Experiment, round, type Row } from "../experiment.ts";
import { MusterCluster } from "../muster.ts";
import { cpuSeconds, rssMib } from "../process-cpu.ts";

const settleMs = 15_000;
const measureMs = 60_000;

async function run(): Promise<readonly Row[]> {
  await using muster = await MusterCluster.start(["--gossip-profile", "lan"]);
  await using etcd = await EtcdCluster.start();
  await delay(systemClock, settleMs);
  const watched = [
    ...muster.pids.map((pid) => ({ system: "Muster", pid })),
    ...etcd.pids.map((pid) => ({ system: "etcd", pid })),
  ].map((one) => ({ ...one, before: cpuSeconds(one.pid) }));
  await delay(systemClock, measureMs);
  const seconds = measureMs / 1000;
  return watched.map(({ system, pid, before }) => ({
    system,
    "CPU, % of a core": round(((cpuSeconds(pid) - before) / seconds) * 100),
    "RSS, MiB": Math.round(rssMib(pid)),
  }));
}

export const idle: Experiment = {
  name: "idle",
  about: `three members each without work, over ${measureMs / 1000} s`,
  needs: ["etcd"],
  run,
};
