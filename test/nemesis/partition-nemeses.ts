/** Networks that break: whole, half, one way, in circles, again and again. */
import {
  bridge,
  between,
  type Cut,
  halves,
  isolate,
  majoritiesRing,
  oneWay,
  without,
} from "../support/lab/partitions.ts";
import { type Nemesis, type Siege } from "./nemesis.ts";

/** Cuts; the cluster goes on; heals. */
async function partition(siege: Siege, cuts: readonly Cut[], shape: string): Promise<void> {
  await siege.lab.cut(cuts);
  siege.say(`${shape}: ${cuts.map(({ from, to }) => `${from}>${to}`).join(" ")}`);
  await siege.progress(`in ${shape}`);
  await siege.wait(500, 2500);
  await siege.lab.cut([]);
}

const isolateLeader: Nemesis = {
  name: "isolate-leader",
  about: "the leader is cut off from all others; they elect another",
  async strike(siege) {
    const leader = await siege.lab.leader();
    await siege.lab.cut(isolate(leader.name, siege.lab.names));
    siege.say(`${leader.name}, the leader, is cut off`);
    await siege.lab.leader(leader);
    await siege.progress("without the leader that is cut off");
    await siege.lab.cut([]);
  },
};

const halvesOf: Nemesis = {
  name: "halves",
  about: "a majority and a minority, the leader in the minority",
  async strike(siege) {
    const leader = await siege.lab.leader();
    const names = siege.lab.shuffled(siege.random, leader.name).toReversed();
    await partition(siege, halves(names), "halves");
  },
};

const ring: Nemesis = {
  name: "ring",
  about: "every agent sees a majority, no two the same one",
  strike: (siege) => partition(siege, majoritiesRing(siege.lab.shuffled(siege.random)), "a ring"),
};

const bridgeOf: Nemesis = {
  name: "bridge",
  about: "two halves that only one agent, not the leader, sees both of",
  async strike(siege) {
    const middle = await siege.follower();
    const names = siege.lab.shuffled(siege.random, middle.name);
    await partition(siege, bridge(names), "two halves with a bridge");
  },
};

const deafLeader: Nemesis = {
  name: "deaf-leader",
  about: "the leader's packets arrive, it hears nobody: it must not lead on",
  async strike(siege) {
    const leader = await siege.lab.leader();
    const others = without(siege.lab.names, [leader.name]);
    await siege.lab.cut(oneWay(others, [leader.name]));
    siege.say(`${leader.name}, the leader, hears nobody`);
    await siege.lab.leader(leader);
    await siege.progress("without the leader that hears nobody");
    await siege.lab.cut([]);
  },
};

const muteLeader: Nemesis = {
  name: "mute-leader",
  about: "the leader hears all, nobody hears it",
  async strike(siege) {
    const leader = await siege.lab.leader();
    const others = without(siege.lab.names, [leader.name]);
    await siege.lab.cut(oneWay([leader.name], others));
    siege.say(`nobody hears ${leader.name}, the leader`);
    await siege.progress("without the leader that nobody hears");
    await siege.lab.cut([]);
  },
};

const flap: Nemesis = {
  name: "flap",
  about: "links break and heal every half second",
  async strike(siege) {
    siege.say("links flap");
    for (let round = 0; round < 5; round += 1) {
      const names = siege.lab.shuffled(siege.random);
      const cut = names.slice(0, 1 + siege.random.below(names.length - 1));
      await siege.lab.cut(between(cut, without(names, cut)));
      await siege.wait(300, 700);
      await siege.lab.cut([]);
      await siege.wait(300, 700);
    }
    await siege.progress("after links flapped");
  },
};

const majorityLost: Nemesis = {
  name: "shatter",
  about: "nobody reaches anybody: writes are refused, and go on when links are back",
  async strike(siege) {
    const { names } = siege.lab;
    await siege.lab.cut(oneWay(names, names));
    siege.say("nobody reaches anybody");
    await siege.refusals("while nobody reaches anybody");
    await siege.lab.cut([]);
    await siege.progress("after links are back");
  },
};

export const partitionNemeses: readonly Nemesis[] = [
  isolateLeader,
  halvesOf,
  ring,
  bridgeOf,
  deafLeader,
  muteLeader,
  flap,
  majorityLost,
];
