/** All nemeses by name. */
import { machineNemeses } from "./machine-nemeses.ts";
import { type Nemesis } from "./nemesis.ts";
import { partitionNemeses } from "./partition-nemeses.ts";
import { processNemeses } from "./process-nemeses.ts";
import { storageNemeses } from "./storage-nemeses.ts";
import { stormNemeses } from "./storm-nemeses.ts";
import { survivorNemeses } from "./survivor-nemeses.ts";

export const nemeses: readonly Nemesis[] = [
  ...processNemeses,
  ...partitionNemeses,
  ...machineNemeses,
  ...storageNemeses,
  ...stormNemeses,
  ...survivorNemeses,
];

export function nemesisNamed(name: string): Nemesis {
  const found = nemeses.find((nemesis) => nemesis.name === name);
  if (found !== undefined) return found;
  throw new Error(`No nemesis "${name}"; there are ${nemeses.map((one) => one.name).join(", ")}`);
}
