/** T3, T12, T16: somebody is gone, and it is measured who knows when. */
import { shuffle } from "../../../src/base/random.ts";
import { isolate } from "../../../test/support/lab/partitions.ts";
import {
  converged,
  type Experiment,
  inventoryWatch,
  isLoss,
  type Measure,
  pause,
  seen,
  type Settings,
} from "../experiment.ts";
import { type Fleet } from "../fleet.ts";
import { type MemberEvent } from "../member-event-log.ts";

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

interface Found {
  readonly first: number | null;
  readonly last: number | null;
  readonly falsely: number;
}

async function detection(fleet: Fleet, settings: Settings, { fault, mend }: Fault) {
  const found: Found[] = [];
  for (let round = 0; round < settings.rounds; round += 1) {
    await converged(fleet, settings);
    await pause(settings, 1000 + settings.random.float() * 1000);
    const [victim = ""] = shuffle(fleet.hosts.slice(1), settings.random);
    found.push(await detected(fleet, settings, { victims: [victim], strike: () => fault(victim) }));
    await mend(victim);
  }
  await converged(fleet, settings);
  return measures(found);
}

function measures(found: readonly Found[]): readonly Measure[] {
  const falsely = found.reduce((sum, round) => sum + round.falsely, 0);
  return [
    { name: "first to know", unit: "ms", values: found.map(({ first }) => first) },
    { name: "all know", unit: "ms", values: found.map(({ last }) => last) },
    { name: "failed events about healthy members", unit: "events", values: [falsely] },
  ];
}

/** Until every other agent knows of every victim. */
async function detected(
  fleet: Fleet,
  settings: Settings,
  { victims, strike }: { victims: readonly string[]; strike: () => Promise<unknown> },
): Promise<Found> {
  const others = fleet.hosts.filter((host) => !victims.includes(host));
  const mark = fleet.events.mark;
  const begun = performance.now();
  await strike();
  const known = await seen("all know", settings, () =>
    others.every((host) => victims.every((victim) => !fleet.events.view(host).has(victim))),
  ).then(
    () => true,
    () => false,
  );
  settings.signal.throwIfAborted();
  const losses = fleet.events.since(mark).filter((event) => isLoss(event));
  const atOthers = losses.filter(({ observer }) => others.includes(observer));
  const about = atOthers.filter(({ subject }) => victims.includes(subject));
  const [first, latest] = [about[0], about.at(-1)];
  return {
    first: first === undefined ? null : first.at - begun,
    last: known && latest !== undefined ? latest.at - begun : null,
    falsely: atOthers.length - about.length,
  };
}

/** T16: the agent that leads and three others, which do not vote, are killed in one moment. */
export const leaderLost: Experiment = async (fleet, settings) => {
  await converged(fleet, settings);
  await seen("no agent doubts itself", settings, async () => {
    await pause(settings, 1000);
    return ((await fleet.worstHealth()) ?? 0) === 0;
  });
  const voters = await allVoters(fleet, settings);
  const [leader = fleet.hosts[0] ?? ""] = voters;
  const others = fleet.hosts.filter((host) => host !== leader && !voters.includes(host));
  const victims = [leader, ...shuffle(others, settings.random).slice(0, 3)];
  const before = await fleet.inventory();
  const changed = await inventoryWatch(fleet);
  const strike = (): Promise<void> => {
    for (const host of victims) process.kill(fleet.pid(host), "SIGKILL");
    return Promise.resolve();
  };
  const mark = fleet.events.mark;
  const begun = performance.now();
  const found = await detected(fleet, settings, { victims, strike });
  const known: Measure[] = [];
  if (before !== null) {
    const wanted = before.changes + victims.length;
    await seen("the inventory has all four", settings, async () => {
      return ((await fleet.inventory())?.changes ?? 0) >= wanted;
    });
    const values = [performance.now() - begun];
    known.push(...stages(fleet.events.since(mark), victims, begun));
    known.push({ name: "until the inventory has all four", unit: "ms", values });
    // What came later would be another entry.
    await pause(settings, 5000);
  }
  known.push(...(await changed()));
  await Promise.all(victims.map((host) => restart(fleet, host)));
  await converged(fleet, settings);
  return [...measures([found]), ...known];
};

/** Where the time goes until the inventory knows. */
function stages(
  events: readonly MemberEvent[],
  victims: readonly string[],
  begun: number,
): readonly Measure[] {
  const elected = events.findLast(({ kind }) => kind === "leads");
  const known = events.filter(
    ({ kind, observer, subject }) =>
      kind === "failed" && observer === elected?.observer && victims.includes(subject),
  );
  const reported = events.find(({ kind }) => kind === "reports");
  const after = (event: MemberEvent | undefined): (number | null)[] => [
    event === undefined ? null : event.at - begun,
  ];
  return [
    { name: "a new leader is elected", unit: "ms", values: after(elected) },
    { name: "the new leader's gossip knows all four", unit: "ms", values: after(known.at(-1)) },
    { name: "the new leader proposes the first entry", unit: "ms", values: after(reported) },
  ];
}

/** A young cluster makes members voters one after the other: until then a few deaths may cost it the quorum. */
async function allVoters(fleet: Fleet, settings: Settings): Promise<readonly string[]> {
  let voters = await fleet.voters();
  if (voters.length === 0) return voters;
  const wanted = fleet.hosts.length >= 5 ? 5 : fleet.hosts.length >= 3 ? 3 : 1;
  await seen(`there are ${wanted} voters`, settings, async () => {
    voters = await fleet.voters();
    return voters.length >= wanted;
  });
  return voters;
}
