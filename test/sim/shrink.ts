/**
 * Makes a failing run smaller: leaves out one class of faults after the other, as long as something still goes wrong,
 * then looks for the smallest number of events after which nothing needs to go wrong any more.
 */
import { type Profile } from "./profile.ts";
import { type RunOptions, type RunResult } from "./scenario.ts";

type Change = (profile: Profile) => Profile;

const withoutFault =
  (name: keyof Profile["faults"]): Change =>
  (profile) => ({ ...profile, faults: { ...profile.faults, [name]: 0 } });

const withoutNet =
  (name: "lossChance" | "duplicateChance" | "spikeChance"): Change =>
  (profile) => ({ ...profile, net: { ...profile.net, [name]: 0 } });

const settings: readonly (readonly [name: string, change: Change])[] = [
  ["loss", withoutNet("lossChance")],
  ["duplicates", withoutNet("duplicateChance")],
  ["late messages", withoutNet("spikeChance")],
  ["slow disks", (profile) => ({ ...profile, disk: { ...profile.disk, spikeChance: 0 } })],
  ["haste", (profile) => ({ ...profile, haste: 0 })],
  ["death at disk operations", (profile) => ({ ...profile, killAtIo: 0 })],
  ["death at changes of generation", (profile) => ({ ...profile, killAtChange: 0 })],
  ["clock drift", (profile) => ({ ...profile, clockDrift: 0 })],
];

/** Says what it found, line by line. */
export async function* shrink(
  options: RunOptions,
  failed: RunResult,
  play: (options: RunOptions) => Promise<RunResult>,
): AsyncGenerator<string> {
  const faults = Object.keys(failed.profile.faults) as (keyof Profile["faults"])[];
  const on = faults.filter((name) => failed.profile.faults[name] > 0);
  const classes = [...on.map((name) => [name, withoutFault(name)] as const), ...settings];
  let kept: Change = (profile) => profile;
  let best = failed;
  for (const [name, change] of classes) {
    const before = kept;
    const candidate: Change = (profile) => change(before(profile));
    const result = await play({ ...options, profile: candidate });
    yield result.violation === null ? `needs ${name}` : `without ${name}: ${result.violation}`;
    if (result.violation === null) continue;
    kept = candidate;
    best = result;
  }
  let low = 0;
  let high = best.events;
  while (high - low > Math.max(50, high / 50)) {
    const maxEvents = Math.floor((low + high) / 2);
    const result = await play({ ...options, profile: kept, maxEvents });
    if (result.violation === null) {
      low = maxEvents;
    } else {
      high = maxEvents;
      best = result;
    }
  }
  yield `faults up to event ${high} are enough`;
  yield best.trace;
  yield `${best.violation ?? ""}, with ${JSON.stringify(best.profile)}`;
}
