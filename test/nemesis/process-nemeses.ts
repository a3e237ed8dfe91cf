/** Agents that die, hang, come back. */
import { type LabAgent } from "../support/lab/agent.ts";
import { type Nemesis, type Siege } from "./nemesis.ts";

async function killed(siege: Siege, agents: readonly LabAgent[]): Promise<void> {
  // All signals before any waiting: they die together.
  for (const agent of agents) agent.signal("SIGKILL");
  await Promise.all(agents.map((agent) => agent.kill("SIGKILL")));
  siege.say(`killed ${agents.map(({ name }) => name).join(" ")}`);
}

function restart(siege: Siege, agents: readonly LabAgent[]): void {
  for (const agent of agents) siege.lab.cluster.restart(agent);
}

async function back(siege: Siege, agents: readonly LabAgent[]): Promise<void> {
  restart(siege, agents);
  for (const agent of agents) await siege.lab.cluster.ready(agent, siege.lab.agents.length);
}

const killLeader: Nemesis = {
  name: "kill-leader",
  about: "the leader is killed; another leads; the old one comes back",
  async strike(siege) {
    const leader = await siege.lab.leader();
    await killed(siege, [leader]);
    await siege.lab.leader(leader);
    await siege.progress("without the killed leader");
    await back(siege, [leader]);
  },
};

const killRandom: Nemesis = {
  name: "kill-random",
  about: "any agent is killed and starts again at once",
  async strike(siege) {
    const agent = siege.anyAgent();
    await killed(siege, [agent]);
    await siege.wait(0, 500);
    await back(siege, [agent]);
    await siege.progress("after a restart");
  },
};

const killMajority: Nemesis = {
  name: "kill-majority",
  about:
    "a majority, the leader with it, is killed at once: writes are refused until they are back",
  async strike(siege) {
    const leader = await siege.lab.leader();
    const names = siege.lab.shuffled(siege.random, leader.name);
    const victims = names.slice(0, Math.floor(names.length / 2) + 1);
    const agents = victims.map((name) => siege.lab.agent(name));
    await killed(siege, agents);
    await siege.refusals("without a majority");
    await back(siege, agents);
    await siege.progress("after the majority came back");
  },
};

const killAll: Nemesis = {
  name: "kill-all",
  about: "the power fails everywhere; all start again",
  async strike(siege) {
    await Promise.all(siege.lab.agents.map((agent) => agent.powerOff()));
    siege.say("the power failed");
    await back(siege, siege.lab.agents);
    await siege.progress("after all were killed");
  },
};

const stopLeader: Nemesis = {
  name: "pause-leader",
  about: "the leader stands still (SIGSTOP) and wakes up after another was elected",
  async strike(siege) {
    const leader = await siege.lab.leader();
    leader.signal("SIGSTOP");
    siege.say(`${leader.name}, the leader, stands still`);
    await siege.lab.leader(leader);
    await siege.progress("while the old leader stands still");
    await siege.wait(0, 2000);
    leader.signal("SIGCONT");
    await siege.progress("after the old leader woke up");
  },
};

const pauseRandom: Nemesis = {
  name: "pause-random",
  about: "agents stand still for 0.2 to 3 s, some at the same time",
  async strike(siege) {
    const names = siege.lab.shuffled(siege.random);
    const victims = names.slice(0, 1 + siege.random.below(names.length));
    siege.say(`stand still: ${victims.join(" ")}`);
    for (const name of victims) {
      siege.lab.agent(name).signal("SIGSTOP");
      await siege.wait(0, 300);
    }
    await siege.wait(200, 3000);
    for (const name of victims) {
      siege.lab.agent(name).signal("SIGCONT");
      await siege.wait(0, 300);
    }
    await siege.progress("after agents stood still");
  },
};

const rollingRestart: Nemesis = {
  name: "rolling-restart",
  about: "one agent after another is stopped in order and started again, as for an upgrade",
  async strike(siege) {
    for (const name of siege.lab.shuffled(siege.random)) {
      const agent = siege.lab.agent(name);
      await agent.kill("SIGTERM");
      siege.say(`stopped ${name}`);
      await siege.progress("while an agent is stopped", 5);
      await back(siege, [agent]);
    }
  },
};

const handOver: Nemesis = {
  name: "transfer",
  about: "leadership is handed from one to another, again and again",
  async strike(siege) {
    for (let round = 0; round < 4; round += 1) {
      const agent = siege.anyAgent();
      const moved = await agent.api("POST", "/v1/operator/transfer", { body: {} });
      siege.say(`transfer by ${agent.name}: ${moved.status}`);
      await siege.wait(0, 500);
    }
    await siege.progress("after leadership was handed on");
  },
};

export const processNemeses: readonly Nemesis[] = [
  killLeader,
  killRandom,
  killMajority,
  killAll,
  stopLeader,
  pauseRandom,
  rollingRestart,
  handOver,
];
