/** Machines that misbehave: clocks that jump, disks that are full, slow, or fail to sync. */
import { type LabAgent } from "../support/lab/agent.ts";
import { type Nemesis, type Siege } from "./nemesis.ts";

const hour = 3600;
const syncs = ["fsync", "fdatasync"];
/** sysexits EX_TEMPFAIL: storage failed, start me again. */
const exitStorageFailed = 75;

async function endsByItself(siege: Siege, agent: LabAgent): Promise<void> {
  const code = await agent.exited(30_000);
  siege.say(`${agent.name} ended with ${String(code)}`);
  if (code !== exitStorageFailed) {
    throw new Error(`${agent.name} should end with 75 when its storage fails, not ${String(code)}`);
  }
}

async function back(siege: Siege, agent: LabAgent): Promise<void> {
  if (!agent.running) siege.lab.cluster.restart(agent);
  await siege.lab.cluster.ready(agent, siege.lab.agents.length);
}

const clockJump: Nemesis = {
  name: "clock-jump",
  about: "wall clocks jump by up to an hour, forth and back, the leader's among them",
  needs: "clocks",
  async strike(siege) {
    const leader = await siege.lab.leader();
    for (const agent of [leader, siege.anyAgent(), siege.anyAgent()]) {
      const offset = siege.random.below(2 * hour) - hour;
      agent.setClock(offset);
      siege.say(`${agent.name}'s clock is ${offset} s off`);
      await siege.wait(200, 1200);
    }
    await siege.progress("with clocks that are wrong");
    for (const agent of siege.lab.agents) agent.setClock(0);
  },
};

const diskFull: Nemesis = {
  name: "disk-full",
  about: "the leader's disk fills up: it ends, the others go on; with room again it comes back",
  needs: "disks",
  async strike(siege) {
    const leader = await siege.lab.leader();
    leader.fillDisk();
    siege.say(`${leader.name}'s disk is full`);
    await endsByItself(siege, leader);
    await siege.progress("without the agent whose disk is full");
    siege.lab.cluster.restart(leader);
    await endsByItself(siege, leader);
    await leader.freeDisk();
    await back(siege, leader);
  },
};

const syncFails: Nemesis = {
  name: "fsync-error",
  about: "fsync fails on the leader: it ends instead of acknowledging what may not be on disk",
  async strike(siege) {
    const leader = await siege.lab.leader();
    await leader.trace(syncs, "error=EIO");
    siege.say(`fsync fails on ${leader.name}, the leader`);
    await endsByItself(siege, leader);
    await leader.stopTracing();
    await siege.progress("without the agent whose fsync failed");
    await back(siege, leader);
  },
};

const slowDisk: Nemesis = {
  name: "slow-disk",
  about: "every fsync of the leader takes 0.3 s longer",
  async strike(siege) {
    const leader = await siege.lab.leader();
    await leader.trace(syncs, "delay_enter=300000");
    siege.say(`fsync is slow on ${leader.name}, the leader`);
    await siege.progress("while the leader's disk is slow");
    await siege.wait(500, 3000);
    await leader.stopTracing();
  },
};

const hungDisk: Nemesis = {
  name: "hung-disk",
  about: "every fsync of the leader takes 8 s: it must not stay leader and keep all waiting",
  async strike(siege) {
    const leader = await siege.lab.leader();
    await leader.trace(syncs, "delay_enter=8000000");
    siege.say(`fsync hangs on ${leader.name}, the leader`);
    await siege.progress("while the old leader's disk hangs");
    await leader.stopTracing();
    await back(siege, leader);
  },
};

export const machineNemeses: readonly Nemesis[] = [
  clockJump,
  diskFull,
  syncFails,
  slowDisk,
  hungDisk,
];
