/** Several things at once, and members that are replaced: where single faults are survived, it is these that hurt. */
import { readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { until } from "../support/until.ts";
import { type LabAgent } from "../support/lab/agent.ts";
import { between, majoritiesRing, oneWay, without } from "../support/lab/partitions.ts";
import { type Nemesis, type Siege } from "./nemesis.ts";

const stepsOfStorm = 14;

/** Each does one thing, without waiting for what comes of it. */
const gusts: readonly ((siege: Siege) => Promise<void> | void)[] = [
  (siege) => {
    const names = siege.lab.shuffled(siege.random);
    const cut = names.slice(0, 1 + siege.random.below(names.length - 1));
    siege.say(`cut off: ${cut.join(" ")}`);
    return siege.lab.cut(between(cut, without(names, cut)));
  },
  (siege) => {
    const names = siege.lab.shuffled(siege.random);
    const deaf = names.slice(0, 1 + siege.random.below(2));
    siege.say(`deaf: ${deaf.join(" ")}`);
    return siege.lab.cut(oneWay(without(names, deaf), deaf));
  },
  (siege) => {
    siege.say("ring");
    return siege.lab.cut(majoritiesRing(siege.lab.shuffled(siege.random)));
  },
  (siege) => siege.lab.cut([]),
  (siege) => siege.lab.cut([]),
  (siege) => {
    const agent = siege.anyAgent();
    siege.say(`stop ${agent.name}`);
    agent.signal("SIGSTOP");
  },
  (siege) => {
    for (const agent of siege.lab.agents) agent.signal("SIGCONT");
  },
  async (siege) => {
    const agent = siege.anyAgent();
    siege.say(`kill ${agent.name}`);
    await agent.kill("SIGKILL");
  },
  startDead,
  startDead,
];

function startDead(siege: Siege): void {
  for (const agent of siege.lab.agents) if (!agent.running) siege.lab.cluster.restart(agent);
}

const storm: Nemesis = {
  name: "storm",
  about: "partitions, kills and agents that stand still, all at the same time",
  async strike(siege) {
    for (let step = 0; step < stepsOfStorm; step += 1) {
      await gusts[siege.random.below(gusts.length)]?.(siege);
      await siege.wait(100, 1200);
    }
    await siege.lab.heal();
    await siege.progress("after a storm");
  },
};

/** The agent's data are gone for good, as those of a machine that is replaced. */
function wipe(agent: LabAgent): void {
  for (const name of readdirSync(agent.dataDir)) {
    rmSync(path.join(agent.dataDir, name), { recursive: true });
  }
}

const replace: Nemesis = {
  name: "replace",
  about: "a machine is lost with its data, forgotten, and another joins under its name",
  async strike(siege) {
    const { cluster, agents } = siege.lab;
    const agent = await siege.follower();
    await agent.powerOff();
    siege.say(`${agent.name} is lost`);
    await until({ what: `${agent.name} is forgotten` }, async () => {
      const path = `/v1/nodes/${agent.name}?force=true`;
      const { status } = await cluster.live(agent).api("DELETE", path);
      return status === 204 || status === 404;
    });
    await siege.progress("without the agent that was lost");
    wipe(agent);
    await cluster.join(agent);
    await cluster.ready(agent, agents.length);
    siege.say(`${agent.name} has joined anew`);
    await siege.progress("with the agent that joined");
  },
};

export const stormNemeses: readonly Nemesis[] = [storm, replace];
