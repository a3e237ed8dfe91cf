/** Lost quorums that are not waited out: every group goes on in a generation of its own, and they find back together. */
import { between, oneWay, without } from "../support/lab/partitions.ts";
import { until } from "../support/until.ts";
import { type Nemesis, type Siege, whole } from "./nemesis.ts";

/** Silence counts after seconds instead of half a minute, and every agent knows it before any of them is struck. */
async function hurry({ lab }: Siege): Promise<void> {
  const answer = await lab.cluster.live().api("PATCH", "/v1/settings", {
    body: { survivor: { auto: "silence", silence: "2s", cold: "4s" } },
    headers: { "content-type": "application/merge-patch+json" },
  });
  if (answer.status !== 200) throw new Error(`PATCH /v1/settings: ${answer.status} ${answer.text}`);
  for (const agent of lab.agents) {
    await until({ what: `${agent.name} knows that it must hurry` }, async () => {
      const { settings } = await agent.get<Settings>("/v1/settings");
      return settings.survivor.silence === "2s";
    });
  }
}

interface Settings {
  readonly settings: { readonly survivor: { readonly silence: string } };
}

function survivorNemesis(
  name: string,
  about: string,
  harm: (siege: Siege) => Promise<void>,
): Nemesis {
  return {
    name,
    about,
    promise: "kept",
    async strike(siege) {
      await hurry(siege);
      await harm(siege);
      await siege.lab.heal();
      await whole(siege.lab);
      siege.say("one generation again");
      await siege.progress("in one generation again");
    },
  };
}

/** Every one of these groups is cut off from the others. */
async function split(siege: Siege, groups: readonly (readonly string[])[]): Promise<void> {
  const { names } = siege.lab;
  siege.say(`groups: ${groups.map((group) => group.join(" ")).join(" | ")}`);
  await siege.lab.cut(groups.flatMap((group) => oneWay(group, without(names, group))));
  await siege.progressOf(names, "in its own group");
}

const cutInTwo = survivorNemesis(
  "survivor-cut",
  "the network splits in two, the leader on either side; both sides take writes; merge",
  (siege) => {
    const names = siege.lab.shuffled(siege.random);
    const size = 1 + siege.random.below(names.length - 1);
    return split(siege, [names.slice(0, size), names.slice(size)]);
  },
);

const cutInThree = survivorNemesis(
  "survivor-shards",
  "the network splits in three; all take writes; merge",
  (siege) => {
    const names = siege.lab.shuffled(siege.random);
    const third = Math.ceil(names.length / 3);
    return split(siege, [
      names.slice(0, third),
      names.slice(third, 2 * third),
      names.slice(2 * third),
    ]);
  },
);

const majorityGone = survivorNemesis(
  "survivor-power",
  "the machines of a majority lose power; the rest goes on; they come back",
  async (siege) => {
    const leader = await siege.lab.leader();
    const names = siege.lab.shuffled(siege.random, leader.name);
    const gone = names.slice(0, Math.floor(names.length / 2) + 1);
    await Promise.all(gone.map((name) => siege.lab.agent(name).powerOff()));
    siege.say(`lost power: ${gone.join(" ")}`);
    await siege.progressOf(without(names, gone), "without the majority");
  },
);

const coldStart = survivorNemesis(
  "survivor-cold",
  "the power fails everywhere, one machine comes back first and goes on alone; the others follow",
  async (siege) => {
    await Promise.all(siege.lab.agents.map((agent) => agent.powerOff()));
    const first = siege.anyAgent();
    siege.say(`${first.name} starts alone`);
    siege.lab.cluster.restart(first);
    await siege.progressOf([first.name], "alone");
  },
);

const cutAndDie = survivorNemesis(
  "survivor-storm",
  "a cut, both sides write, some die while it heals",
  async (siege) => {
    const names = siege.lab.shuffled(siege.random);
    const size = 1 + siege.random.below(names.length - 1);
    const [left, right] = [names.slice(0, size), names.slice(size)];
    await siege.lab.cut(between(left, right));
    siege.say(`cut: ${left.join(" ")} | ${right.join(" ")}`);
    await siege.progressOf(names, "in its own group");
    await siege.lab.cut([]);
    for (let kills = 0; kills < 3; kills += 1) {
      await siege.wait(0, 1500);
      const agent = siege.anyAgent();
      siege.say(`killed ${agent.name}`);
      await agent.kill("SIGKILL");
      siege.lab.cluster.restart(agent);
    }
  },
);

export const survivorNemeses: readonly Nemesis[] = [
  cutInTwo,
  cutInThree,
  majorityGone,
  coldStart,
  cutAndDie,
];
