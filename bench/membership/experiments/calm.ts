/** T1, T2, T14: a cluster comes about, and then nothing happens. */
import { type Experiment, converged, pause } from "../experiment.ts";
import { type Fleet } from "../fleet.ts";
import { connections, usage, type Usage } from "../usage.ts";

/** T1, and T14 where nobody is told a seed: all start at once, or in batches, beside a first one that is up. */
export const bootstrap: Experiment = async (fleet, settings) => {
  const [seed = "", ...rest] = fleet.hosts;
  await fleet.start(seed);
  await fleet.seedReady();
  const begun = performance.now();
  let spawned = begun;
  for (let from = 0; from < rest.length; from += settings.batch) {
    const to = from + settings.batch;
    await Promise.all(rest.slice(from, to).map((host) => fleet.start(host)));
    spawned = performance.now();
    await converged(fleet, settings, [seed, ...rest.slice(0, to)]);
  }
  const ended = performance.now();
  const cpu = cpuOf(fleet, rest);
  const listening = fleet.events.since(0).filter(({ kind }) => kind === "up");
  const last = Math.max(...listening.map(({ at }) => at));
  return [
    { name: "first start to all views full", unit: "ms", values: [ended - begun] },
    { name: "last start to all views full", unit: "ms", values: [ended - spawned] },
    { name: "last agent listening to all views full", unit: "ms", values: [ended - last] },
    { name: "CPU of each until then", unit: "ms", values: cpu },
  ];
};

/** What agents used since they were started. */
export function cpuOf(fleet: Fleet, hosts: readonly string[]): readonly number[] {
  return hosts.map((host) => usage(fleet.pid(host)).ticks * 10);
}

/** T2: traffic is what passes each host's link, headers and Raft included. */
export const idle: Experiment = async (fleet, settings) => {
  const { seconds } = settings;
  await pause(settings, 20_000);
  const before = fleet.hosts.map((host) => usage(fleet.pid(host)));
  const gossipBefore = await fleet.gossipBytes();
  await pause(settings, seconds * 1000);
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
    {
      name: "TCP connections per agent",
      unit: "connections",
      values: fleet.hosts.map((host) => connections(fleet.pid(host))),
    },
  ];
};
