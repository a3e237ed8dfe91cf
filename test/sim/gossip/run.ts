/** Runs experiments and prints a table and JSON for each: see `usage`. */
import process from "node:process";
import { parseArgs } from "node:util";
import { help, misused, understood, whole } from "../../support/tool-options.ts";
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

const usage = `usage: npm run sim:gossip -- [--experiment NAME …] [--seeds N] [--full]

  --experiment  of ${Object.keys(experiments).join(", ")} (default: all)
  --seeds       how many runs of each (default 3)
  --full        in the sizes of the design, which takes long
`;
const { values, count } = understood(usage, () => {
  const parsed = parseArgs({
    options: {
      experiment: { type: "string", multiple: true },
      seeds: { type: "string", default: "3" },
      full: { type: "boolean", default: false },
      help,
    },
  });
  return { ...parsed, count: whole("seeds", parsed.values.seeds, 1) };
});
const seeds = Array.from({ length: count }, (_, at) => at + 1);
for (const id of values.experiment ?? Object.keys(experiments)) {
  const experiment = experiments[id];
  if (experiment === undefined) misused(usage, `There is no experiment "${id}"`);
  const begun = performance.now();
  const report = experiment({ seeds, full: values.full });
  const seconds = (performance.now() - begun) / 1000;
  process.stdout.write(`${tableText(report)}\n(${seconds.toFixed(1)} s)\n`);
  process.stdout.write(`${JSON.stringify({ ...report, seeds, full: values.full, seconds })}\n\n`);
}
