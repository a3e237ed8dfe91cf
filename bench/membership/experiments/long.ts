/** T8, T13, T15, T17: what takes its time while the cluster should not mind. */
import { shuffle } from "../../../src/base/random.ts";
import {
  converged,
  type Experiment,
  inventoryWatch,
  type Measure,
  pause,
  seen,
  type Settings,
} from "../experiment.ts";
import { type Fleet } from "../fleet.ts";
import { openFiles, usage } from "../usage.ts";
import { cpuOf } from "./calm.ts";
import { quantiles } from "./disturbances.ts";

const bulkMegabytes = 60;
const linkMegabits = 50;

/** T8: every link is full for some ten seconds. */
export const bulk: Experiment = async (fleet, settings) => {
  await converged(fleet, settings);
  const mark = fleet.events.mark;
  const probes = await fleet.failedProbes();
  const receivers = fleet.hosts.slice(1);
  const received = (): readonly number[] =>
    receivers.map((host) => usage(fleet.pid(host)).received);
  const before = received();
  await fleet.network.limitRate(linkMegabits, fleet.hosts);
  const begun = performance.now();
  await fleet.sendBulk(bulkMegabytes);
  const roundTrips: number[] = [];
  let seconds = 0;
  await seen("all have it", settings, async () => {
    await pause(settings, 1000);
    roundTrips.push(...((await fleet.roundTrips()) ?? []));
    seconds = (performance.now() - begun) / 1000;
    return received().every((bytes, i) => bytes - (before[i] ?? 0) > bulkMegabytes << 20);
  });
  await fleet.network.limitRate(0, fleet.hosts);
  const failed = fleet.events.since(mark).filter(({ kind }) => kind === "failed");
  const failedProbes = (await fleet.failedProbes()) - probes;
  return [
    { name: `${bulkMegabytes} MB at all at ${linkMegabits} Mbit/s`, unit: "s", values: [seconds] },
    { name: "failed events", unit: "events", values: [failed.length] },
    { name: "probes that failed", unit: "probes", values: [failedProbes] },
    ...quantiles(roundTrips.toSorted((a, b) => a - b)),
  ];
};

/** T13: each agent in turn ends and comes back, from what it remembers. */
export const rolling: Experiment = async (fleet, settings) => {
  await converged(fleet, settings);
  const changed = await inventoryWatch(fleet);
  const times: number[] = [];
  let falsely = 0;
  for (const host of fleet.hosts.slice(0, settings.rounds)) {
    const mark = fleet.events.mark;
    await fleet.stop(host);
    fleet.events.forget(host);
    const begun = performance.now();
    await fleet.start(host);
    await converged(fleet, settings);
    times.push(performance.now() - begun);
    await pause(settings, 1000);
    const failed = fleet.events.since(mark).filter(({ kind }) => kind === "failed");
    falsely += failed.filter(({ subject }) => subject !== host).length;
  }
  return [
    { name: "start to all views full", unit: "ms", values: times },
    { name: "failed events about healthy members", unit: "events", values: [falsely] },
    ...(await changed()).filter(({ unit }) => unit === "nodes"),
  ];
};

/** T13: all lose their power at once, and all but the seed come back. */
export const seedsGone: Experiment = async (fleet, settings) => {
  await converged(fleet, settings);
  const changed = await inventoryWatch(fleet);
  // A snapshot of the last change is a few seconds old at most.
  await pause(settings, 6000);
  for (const host of fleet.hosts) process.kill(fleet.pid(host), "SIGKILL");
  await pause(settings, 1000);
  const [seed = "", ...back] = fleet.hosts;
  for (const host of fleet.hosts) fleet.events.forget(host);
  const mark = fleet.events.mark;
  const begun = performance.now();
  await Promise.all(back.map((host) => fleet.start(host)));
  await converged(fleet, settings, back);
  const ended = performance.now();
  const cpu = cpuOf(fleet, back);
  const listening = fleet.events.since(mark).filter(({ kind }) => kind === "up");
  const last = Math.max(...listening.map(({ at }) => at));
  const again = (await changed()).filter(({ unit }) => unit === "nodes");
  await fleet.start(seed);
  await converged(fleet, settings);
  return [
    {
      name: "first start to all views full, without the seed",
      unit: "ms",
      values: [ended - begun],
    },
    { name: "last agent listening to all views full", unit: "ms", values: [ended - last] },
    { name: "CPU of each until then", unit: "ms", values: cpu },
    ...again,
  ];
};

/** T15: keys are changed while agents tell each other things and packets get lost. */
export const rotation: Experiment = async (fleet, settings) => {
  await converged(fleet, settings);
  const mark = fleet.events.mark;
  await fleet.network.lose(5, fleet.hosts);
  let told = 0;
  const times: number[] = [];
  let isOver = false;
  const telling = (async () => {
    while (!isOver) {
      await fleet.tell(`load-${told}`).catch(() => undefined);
      told += 1;
      await pause(settings, 300);
    }
  })();
  telling.catch(() => undefined); // Awaited below, unless something else fails before.
  for (let round = 0; round < settings.rounds; round += 1) {
    const begun = performance.now();
    await fleet.rotateKeys();
    times.push(performance.now() - begun);
    await pause(settings, 3000);
  }
  isOver = true;
  await telling;
  await fleet.network.lose(0, []);
  const failed = fleet.events.since(mark).filter(({ kind }) => kind === "failed");
  await converged(fleet, settings);
  return [
    { name: "a new key at all", unit: "ms", values: times },
    { name: "failed events", unit: "events", values: [failed.length] },
  ];
};

/** T17: faults come and go by chance; half of the agents live through all of it, and are watched. */
export const soak: Experiment = async (fleet, settings) => {
  await converged(fleet, settings);
  const end = performance.now() + settings.seconds * 1000;
  const half = Math.ceil(fleet.hosts.length / 2);
  const [watched, mortal] = [fleet.hosts.slice(0, half), fleet.hosts.slice(half)];
  const begun = performance.now();
  const samples: Sample[] = [];
  while (performance.now() < end) {
    const [victim = ""] = shuffle(mortal, settings.random);
    await strike(fleet, settings, victim);
    await converged(fleet, settings);
    const used = watched.map((host) => usage(fleet.pid(host)).megabytes);
    const files = watched.map((host) => openFiles(fleet.pid(host)));
    samples.push({ hours: (performance.now() - begun) / 3_600_000, used, files });
  }
  return watched.length === 0 ? [] : growth(samples, watched.length);
};

interface Sample {
  readonly hours: number;
  readonly used: readonly number[];
  readonly files: readonly number[];
}

async function strike(fleet: Fleet, settings: Settings, victim: string): Promise<void> {
  const { random, signal } = settings;
  switch (random.below(4)) {
    case 0:
      process.kill(fleet.pid(victim), "SIGKILL");
      break;
    case 1:
      process.kill(fleet.pid(victim), fleet.leaveSignal);
      break;
    case 2:
      await fleet.network.lose(10, fleet.hosts);
      await pause(settings, 10_000);
      return fleet.network.lose(0, []);
    default:
      process.kill(fleet.pid(victim), "SIGSTOP");
      await pause(settings, 5000);
      process.kill(fleet.pid(victim), "SIGCONT");
      return pause(settings, 5000);
  }
  await pause(settings, 5000);
  signal.throwIfAborted();
  fleet.events.forget(victim);
  await fleet.start(victim);
  await pause(settings, 3000);
}

/** Memory by least squares over the second half of the time, when caches are warm. */
function growth(samples: readonly Sample[], agents: number): readonly Measure[] {
  const later = samples.slice(Math.floor(samples.length / 2));
  const slopes = Array.from({ length: agents }, (_, agent) => {
    const points = later.map(({ hours, used }) => [hours, used[agent] ?? 0] as const);
    return slope(points);
  });
  const [first, last] = [samples[0], samples.at(-1)];
  return [
    { name: "faults", unit: "faults", values: [samples.length] },
    { name: "memory at the end", unit: "MB", values: last?.used ?? [] },
    { name: "memory's growth in the second half", unit: "MB/h", values: slopes },
    { name: "open files at the beginning", unit: "files", values: first?.files ?? [] },
    { name: "open files at the end", unit: "files", values: last?.files ?? [] },
  ];
}

function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (at: 0 | 1): number =>
    points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const above = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  const below = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
  return below === 0 ? 0 : above / below;
}
