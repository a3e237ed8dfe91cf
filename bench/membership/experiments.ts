/**
 * The experiments of the membership bench (the design's T table), each on a fleet that has converged. Times are in
 * milliseconds from the fault to the line in the observer's log. "About healthy" counts members called failed
 * that had no fault, "at healthy" those of them that a faultless observer named.
 */
import { readFileSync } from "node:fs";
import { type Random, shuffle } from "../../src/base/random.ts";
import { delay, systemClock } from "../../src/base/clock.ts";
import { between, isolate } from "../../test/support/lab/partitions.ts";
import { until } from "../../test/support/until.ts";
import { type Fleet } from "./fleet.ts";

export interface Settings {
  readonly rounds: number;
  readonly seconds: number;
  readonly random: Random;
}

export interface Measure {
  readonly name: string;
  readonly unit: string;
  /** Null: not seen in time. */
  readonly values: readonly (number | null)[];
}

export type Experiment = (fleet: Fleet, settings: Settings) => Promise<readonly Measure[]>;

const detectionMs = 120_000;
const pause = (ms: number): Promise<void> => delay(systemClock, ms);

/** Everybody sees everybody. */
export async function converged(fleet: Fleet, deadlineMs = 180_000): Promise<void> {
  const { hosts, events } = fleet;
  const isFull = (host: string): boolean => events.view(host).size === hosts.length;
  await until({ what: "all views are full", deadlineMs, everyMs: 20 }, () => hosts.every(isFull));
}

/** T1: all start at once beside a seed that is up. */
export const bootstrap: Experiment = async (fleet) => {
  const [seed = "", ...rest] = fleet.hosts;
  await fleet.start(seed);
  await fleet.seedReady();
  const begun = performance.now();
  await Promise.all(rest.map((host) => fleet.start(host)));
  const spawned = performance.now();
  await converged(fleet);
  const ended = performance.now();
  return [
    { name: "first start to all views full", unit: "ms", values: [ended - begun] },
    { name: "last start to all views full", unit: "ms", values: [ended - spawned] },
  ];
};

/** T2: nothing happens. Traffic is what passes each host's link, headers and Raft included. */
export const idle: Experiment = async (fleet, { seconds }) => {
  await pause(20_000);
  const before = fleet.hosts.map((host) => usage(fleet.pid(host)));
  const gossipBefore = await fleet.gossipBytes();
  await pause(seconds * 1000);
  const gossipAfter = await fleet.gossipBytes();
  const after = fleet.hosts.map((host) => usage(fleet.pid(host)));
  const each = (read: (now: Usage, then: Usage) => number): (number | null)[] =>
    after.map((now, i) => (before[i] === undefined ? null : read(now, before[i])));
  const gossip =
    gossipBefore === null || gossipAfter === null
      ? []
      : [(gossipAfter - gossipBefore) / seconds / fleet.hosts.length];
  return [
    { name: "sent per agent", unit: "B/s", values: each((n, t) => (n.sent - t.sent) / seconds) },
    {
      name: "packets per agent",
      unit: "/s",
      values: each((n, t) => (n.packets - t.packets) / seconds),
    },
    { name: "of it gossip's own bytes", unit: "B/s", values: gossip },
    {
      name: "CPU per agent",
      unit: "% of a core",
      values: each((n, t) => (n.ticks - t.ticks) / seconds),
    },
    { name: "memory per agent", unit: "MB", values: after.map(({ megabytes }) => megabytes) },
  ];
};

/** T3: an agent is killed, and comes back. */
export const killed: Experiment = (fleet, settings) =>
  detection(fleet, settings, {
    fault: (host) => Promise.resolve(process.kill(fleet.pid(host), "SIGKILL")),
    mend: (host) => restart(fleet, host),
  });

/** T3: a host loses its link, and gets it back. */
export const hostLost: Experiment = (fleet, settings) =>
  detection(fleet, settings, {
    fault: (host) => fleet.network.cut(isolate(host, fleet.hosts)),
    mend: () => fleet.network.cut([]),
  });

/** T12: an agent says good-bye, and comes back. */
export const leave: Experiment = (fleet, settings) =>
  detection(fleet, settings, {
    fault: (host) => Promise.resolve(process.kill(fleet.pid(host), fleet.leaveSignal)),
    mend: (host) => restart(fleet, host),
  });

function restart(fleet: Fleet, host: string): Promise<void> {
  fleet.events.forget(host);
  return fleet.start(host);
}

interface Fault {
  readonly fault: (host: string) => Promise<unknown>;
  readonly mend: (host: string) => Promise<unknown>;
}

async function detection(fleet: Fleet, { rounds, random }: Settings, { fault, mend }: Fault) {
  const first: (number | null)[] = [];
  const last: (number | null)[] = [];
  let falsely = 0;
  for (let round = 0; round < rounds; round += 1) {
    await converged(fleet);
    await pause(1000 + random.float() * 1000);
    const [victim = ""] = shuffle(fleet.hosts.slice(1), random);
    const others = fleet.hosts.filter((host) => host !== victim);
    const mark = fleet.events.mark;
    const begun = performance.now();
    await fault(victim);
    const all = until({ what: "all know", deadlineMs: detectionMs, everyMs: 20 }, () =>
      others.every((host) => !fleet.events.view(host).has(victim)),
    );
    const known = await all.catch(() => false);
    const seen = fleet.events
      .since(mark)
      .filter(({ kind }) => kind === "failed" || kind === "left");
    const about = seen.filter(({ subject, observer }) => subject === victim && observer !== victim);
    first.push(about[0] === undefined ? null : about[0].at - begun);
    const latest = about.at(-1);
    last.push(known && latest !== undefined ? latest.at - begun : null);
    falsely += seen.filter(
      ({ subject, observer }) => subject !== victim && observer !== victim,
    ).length;
    await mend(victim);
  }
  await converged(fleet);
  return [
    { name: "first to know", unit: "ms", values: first },
    { name: "all know", unit: "ms", values: last },
    { name: "failed events about healthy members", unit: "events", values: [falsely] },
  ];
}

/** T7: packets are lost everywhere; nobody is dead. */
export function loss(percent: number): Experiment {
  return async (fleet, { seconds }) => {
    await converged(fleet);
    const mark = fleet.events.mark;
    const suspicions = (await fleet.suspicions()) ?? 0;
    await fleet.network.lose(percent, fleet.hosts);
    await pause(seconds * 1000);
    await fleet.network.lose(0, []);
    const failed = fleet.events.since(mark).filter(({ kind }) => kind === "failed");
    const suspected = ((await fleet.suspicions()) ?? 0) - suspicions;
    await converged(fleet);
    return [
      { name: `failed events at ${percent} % loss`, unit: "events", values: [failed.length] },
      { name: `suspicions at ${percent} % loss`, unit: "events", values: [suspected] },
    ];
  };
}

/** T4: an agent is stopped for a while and goes on. */
export function pausedAgent(ms: number): Experiment {
  return (fleet, settings) =>
    disturbed(fleet, settings, 1, async ([victim = ""]) => {
      process.kill(fleet.pid(victim), "SIGSTOP");
      await pause(ms);
      process.kill(fleet.pid(victim), "SIGCONT");
      await pause(10_000);
    });
}

/** T5: a quarter of the agents stop for 8 s and run for 2 s, again and again. */
export const pauses: Experiment = (fleet, settings) => {
  const count = Math.max(1, Math.floor(fleet.hosts.length / 4));
  return disturbed(fleet, settings, count, async (victims) => {
    const end = performance.now() + settings.seconds * 1000;
    while (performance.now() < end) {
      for (const host of victims) process.kill(fleet.pid(host), "SIGSTOP");
      await pause(8000);
      for (const host of victims) process.kill(fleet.pid(host), "SIGCONT");
      await pause(2000);
    }
  });
};

/** T9: most packets to three hosts are lost. */
export const deafened: Experiment = (fleet, settings) =>
  disturbed(fleet, settings, 3, async (victims) => {
    await fleet.network.lose(80, victims);
    await pause(settings.seconds * 1000);
    await fleet.network.lose(0, []);
  });

/** T10: three hosts lose all packets to them for 20 s and get them again for 20 s, three times. */
export const flapping: Experiment = (fleet, settings) =>
  disturbed(fleet, settings, 3, async (victims) => {
    for (let cycle = 0; cycle < 3; cycle += 1) {
      await fleet.network.lose(100, victims);
      await pause(20_000);
      await fleet.network.lose(0, []);
      await pause(20_000);
    }
  });

async function disturbed(
  fleet: Fleet,
  { random }: Settings,
  count: number,
  disturb: (victims: readonly string[]) => Promise<void>,
): Promise<readonly Measure[]> {
  await converged(fleet);
  const victims = shuffle(fleet.hosts.slice(1), random).slice(0, count);
  const mark = fleet.events.mark;
  const changes = await fleet.inventoryChanges();
  await disturb(victims);
  const failed = fleet.events.since(mark).filter(({ kind }) => kind === "failed");
  const joined = fleet.events.since(mark).filter(({ kind }) => kind === "join");
  const healthy = failed.filter(({ subject }) => !victims.includes(subject));
  const atHealthy = healthy.filter(({ observer }) => !victims.includes(observer));
  await converged(fleet);
  const after = await fleet.inventoryChanges();
  const inventory = changes === null || after === null ? [] : [after - changes];
  return [
    {
      name: "failed events about victims",
      unit: "events",
      values: [failed.length - healthy.length],
    },
    { name: "failed events about healthy", unit: "events", values: [healthy.length] },
    { name: "of these at healthy", unit: "events", values: [atHealthy.length] },
    { name: "member events in all", unit: "events", values: [failed.length + joined.length] },
    { name: "changes in the inventory", unit: "events", values: inventory },
  ];
}

/** T11: two halves for a minute. */
export const partition: Experiment = async (fleet, { seconds }) => {
  await converged(fleet);
  const half = Math.ceil(fleet.hosts.length / 2);
  await fleet.network.cut(between(fleet.hosts.slice(0, half), fleet.hosts.slice(half)));
  await pause(seconds * 1000);
  await fleet.network.cut([]);
  const begun = performance.now();
  await converged(fleet);
  return [{ name: "heal to all views full", unit: "ms", values: [performance.now() - begun] }];
};

interface Usage {
  readonly ticks: number;
  readonly sent: number;
  readonly packets: number;
  readonly megabytes: number;
}

/** CPU in hundredths of a second; what left by the host's link. */
function usage(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const link = /eth0:\s*(.*)/.exec(readFileSync(`/proc/${pid}/net/dev`, "utf8"))?.[1] ?? "";
  const counters = link.split(/\s+/).map(Number);
  const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return {
    ticks: Number(fields[11]) + Number(fields[12]),
    sent: counters[8] ?? 0,
    packets: counters[9] ?? 0,
    megabytes: Number(rss) / 1024,
  };
}
