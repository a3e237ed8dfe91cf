/** The experiments by name, and which of them one fleet can go through. */
import { type Experiment } from "../experiment.ts";
import { type FleetOptions } from "../fleet.ts";
import { idle } from "./calm.ts";
import { hostLost, killed, leaderLost, leave } from "./detection.ts";
import {
  deafened,
  flapping,
  loss,
  partition,
  pausedAgent,
  starved,
  storm,
} from "./disturbances.ts";
import { bulk, rolling, rotation, seedsGone, soak } from "./long.ts";

const ordinary: Readonly<Record<string, Experiment>> = {
  ...{ idle, killed, "host-lost": hostLost, leave, "leader-lost": leaderLost },
  ...{ "pause-5": pausedAgent(5000), "pause-25": pausedAgent(25_000) },
  ...{ "storm-1": storm(0), storm: storm(0.25), starved },
  ...{ "loss-5": loss(5), "loss-25": loss(25), "loss-40": loss(40) },
  ...{ deafened, flapping, partition, rolling, "seeds-gone": seedsGone, soak },
};

export interface Group {
  readonly options: FleetOptions;
  readonly hostsMax: number;
  /** What the start of the fleet is called. */
  readonly birth: string;
  readonly experiments: readonly (readonly [string, Experiment])[];
}

const most = 250;
const special: Readonly<Record<string, Group>> = {
  mdns: { options: { discovery: true }, hostsMax: 5, birth: "mdns", experiments: [] },
  rotation: {
    ...{ options: { keys: true }, hostsMax: most, birth: "bootstrap, sealed" },
    experiments: [["rotation", rotation]],
  },
  bulk: { options: {}, hostsMax: 5, birth: "bootstrap", experiments: [["bulk", bulk]] },
};

/** `bootstrap` alone starts a fleet and does no more. */
export const known = ["bootstrap", ...Object.keys(ordinary), ...Object.keys(special)];

/** @throws Error when there is no such experiment. */
export function groups(positionals: readonly string[]): readonly Group[] {
  const asked = positionals.flatMap((text) => text.split(","));
  const names = asked.length === 0 || asked.includes("all") ? known : asked;
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new Error(`No experiment ${unknown.join(", ")}; there are ${known.join(", ")}`);
  }
  const experiments = names.flatMap((name): [string, Experiment][] => {
    const experiment = ordinary[name];
    return experiment === undefined ? [] : [[name, experiment]];
  });
  const isOrdinary = names.includes("bootstrap") || experiments.length > 0;
  const first = { options: {}, hostsMax: most, birth: "bootstrap", experiments };
  const others = names.map((name) => special[name]).filter((group) => group !== undefined);
  return [...(isOrdinary ? [first] : []), ...others];
}
