/**
 * Runs experiments and prints a table and JSON for each:
 *   node test/sim/gossip/run.ts --experiment S3 [--experiment S8 …] [--seeds 20] [--full]
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { s1 } from "./experiments/convergence.ts";
import { s3, s4, s6 } from "./experiments/detection.ts";
import { s10, s12, s8, s9 } from "./experiments/faults.ts";
import { s11, s7 } from "./experiments/growth.ts";
import { s2 } from "./experiments/lifeguard.ts";
import { s13, s14, s15, s16 } from "./experiments/lives.ts";
import { s5 } from "./experiments/load.ts";
import { type Experiment, tableText } from "./report.ts";

const experiments: Readonly<Record<string, Experiment>> = {
  ...{ S1: s1, S2: s2, S3: s3, S4: s4, S5: s5, S6: s6, S7: s7, S8: s8 },
  ...{ S9: s9, S10: s10, S11: s11, S12: s12, S13: s13, S14: s14, S15: s15, S16: s16 },
};

const { values } = parseArgs({
  options: {
    experiment: { type: "string", multiple: true },
    seeds: { type: "string", default: "3" },
    full: { type: "boolean", default: false },
  },
});
const seeds = Array.from({ length: Number(values.seeds) }, (_, at) => at + 1);
for (const id of values.experiment ?? Object.keys(experiments)) {
  const experiment = experiments[id];
  if (experiment === undefined) throw new Error(`there is no experiment "${id}"`);
  const begun = performance.now();
  const report = experiment({ seeds, full: values.full });
  const seconds = (performance.now() - begun) / 1000;
  process.stdout.write(`${tableText(report)}\n(${seconds.toFixed(1)} s)\n`);
  process.stdout.write(`${JSON.stringify({ ...report, seeds, full: values.full, seconds })}\n\n`);
}
