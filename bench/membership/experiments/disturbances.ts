/** T4 to T7, T9 to T11: nobody is dead, but stopped, starved, deaf or cut off for a while. */
import { shuffle } from "../../../src/base/random.ts";
import { CpuQuota } from "../../../test/support/lab/cpu-quota.ts";
import { ownPrefix } from "../../../test/support/lab/owner.ts";
import { between } from "../../../test/support/lab/partitions.ts";
import {
  converged,
  type Experiment,
  inventoryWatch,
  type Measure,
  pause,
  type Settings,
} from "../experiment.ts";
import { type Fleet } from "../fleet.ts";

/** T4: an agent is stopped for a while and goes on. */
export function pausedAgent(ms: number): Experiment {
  return (fleet, settings) =>
    disturbed(fleet, settings, 1, async ([victim = ""]) => {
      await stopped(fleet, settings, victim, ms);
      await pause(settings, 10_000);
    });
}

/** T5: a share of the agents stop for 2 to 16 s and run for 1 s, again and again, each in its own time. */
export function storm(share: number): Experiment {
  return (fleet, settings) => {
    const count = Math.max(1, Math.round(fleet.hosts.length * share));
    return disturbed(fleet, settings, count, async (victims) => {
      const end = performance.now() + settings.seconds * 1000;
      const suffer = async (victim: string): Promise<void> => {
        await pause(settings, settings.random.float() * 3000);
        while (performance.now() < end) {
          await stopped(fleet, settings, victim, 2000 + settings.random.float() * 14_000);
          await pause(settings, 1000);
        }
      };
      await Promise.all(victims.map(suffer));
    });
  };
}

async function stopped(fleet: Fleet, settings: Settings, victim: string, ms: number) {
  const pid = fleet.pid(victim);
  process.kill(pid, "SIGSTOP");
  try {
    await pause(settings, ms);
  } finally {
    process.kill(pid, "SIGCONT");
  }
}

/** T6: a quarter of the agents get no more than 5 % of a core each. */
export const starved: Experiment = (fleet, settings) => {
  const count = Math.max(1, Math.floor(fleet.hosts.length / 4));
  return disturbed(fleet, settings, count, async (victims) => {
    const quotas = victims.map((host) => CpuQuota.limit(ownPrefix(), [fleet.pid(host)], 5));
    try {
      await pause(settings, settings.seconds * 1000);
    } finally {
      for (const quota of quotas) quota.lift();
    }
  });
};

/** T7: packets are lost everywhere. */
export function loss(percent: number): Experiment {
  return async (fleet, settings) => {
    const probes = await fleet.failedProbes();
    const roundTrips: number[] = [];
    const measured = await disturbed(fleet, settings, 0, async () => {
      await fleet.network.lose(percent, fleet.hosts);
      for (let part = 0; part < 4; part += 1) {
        await pause(settings, settings.seconds * 250);
        roundTrips.push(...((await fleet.roundTrips()) ?? []));
      }
      await fleet.network.lose(0, []);
    });
    const failed = (await fleet.failedProbes()) - probes;
    const trips = roundTrips.toSorted((a, b) => a - b);
    return [
      ...measured.slice(1, 2),
      { name: "probes that failed", unit: "probes", values: [failed] },
      ...quantiles(trips),
    ];
  };
}

export function quantiles(sorted: readonly number[]): readonly Measure[] {
  if (sorted.length === 0) return [];
  const at = (share: number): number[] => [sorted[Math.floor((sorted.length - 1) * share)] ?? 0];
  return [
    { name: "round trip p50", unit: "ms", values: at(0.5) },
    { name: "round trip p99", unit: "ms", values: at(0.99) },
  ];
}

/** T9: most packets to three hosts are lost. */
export const deafened: Experiment = (fleet, settings) =>
  disturbed(fleet, settings, 3, async (victims) => {
    await fleet.network.lose(80, victims);
    await pause(settings, settings.seconds * 1000);
    await fleet.network.lose(0, []);
  });

/** T10: three hosts lose all packets to them for 20 s and get them again for 20 s, three times. */
export const flapping: Experiment = (fleet, settings) =>
  disturbed(fleet, settings, 3, async (victims) => {
    for (let cycle = 0; cycle < 3; cycle += 1) {
      await fleet.network.lose(100, victims);
      await pause(settings, 20_000);
      await fleet.network.lose(0, []);
      await pause(settings, 20_000);
    }
  });

/** T11: two halves. */
export const partition: Experiment = async (fleet, settings) => {
  const half = Math.ceil(fleet.hosts.length / 2);
  const changed = await inventoryWatch(fleet);
  const mark = fleet.events.mark;
  await fleet.network.cut(between(fleet.hosts.slice(0, half), fleet.hosts.slice(half)));
  await pause(settings, settings.seconds * 1000);
  const failed = fleet.events.since(mark).filter(({ kind }) => kind === "failed").length;
  await fleet.network.cut([]);
  const begun = performance.now();
  await converged(fleet, settings);
  const healed = [performance.now() - begun];
  return [
    { name: "failed events before the heal", unit: "events", values: [failed] },
    { name: "heal to all views full", unit: "ms", values: healed },
    ...(await changed()),
  ];
};

async function disturbed(
  fleet: Fleet,
  settings: Settings,
  count: number,
  disturb: (victims: readonly string[]) => Promise<void>,
): Promise<readonly Measure[]> {
  await converged(fleet, settings);
  const victims = shuffle(fleet.hosts.slice(1), settings.random).slice(0, count);
  const mark = fleet.events.mark;
  const changed = await inventoryWatch(fleet);
  await disturb(victims);
  const seen = fleet.events.since(mark);
  const failed = seen.filter(({ kind }) => kind === "failed");
  const joined = seen.filter(({ kind }) => kind === "join");
  const healthy = failed.filter(({ subject }) => !victims.includes(subject));
  const atHealthy = healthy.filter(({ observer }) => !victims.includes(observer));
  const begun = performance.now();
  await converged(fleet, settings);
  const events = (name: string, value: number): Measure => ({
    ...{ name, unit: "events", values: [value] },
  });
  return [
    events("failed events about victims", failed.length - healthy.length),
    events("failed events about healthy", healthy.length),
    events("of these at healthy", atHealthy.length),
    events("member events in all", failed.length + joined.length),
    { name: "end to all views full", unit: "ms", values: [performance.now() - begun] },
    ...(await changed()),
  ];
}
