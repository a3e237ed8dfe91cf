/** Runs experiments and prints a table and JSON for each: see `usage`. */
import process from "node:process";
import { parseArgs } from "node:util";
import { help, misused, understood, whole } from "../../support/tool-options.ts";
import { s1 } from "./experiments/convergence.ts";
import { s10 } from "./experiments/deafness.ts";
import { s3, s4, s6 } from "./experiments/detection.ts";
import { s12, s8, s9 } from "./experiments/faults.ts";
import { s11, s7 } from "./experiments/growth.ts";
import { s2 } from "./experiments/lifeguard.ts";
import { s13, s14, s15, s16 } from "./experiments/lives.ts";
import { s5 } from "./experiments/load.ts";
import { type Experiment, tableText } from "./report.ts";
import { Ledger } from "./runs.ts";

const experiments: Readonly<Record<string, Experiment>> = {
  ...{ S1: s1, S2: s2, S3: s3, S4: s4, S5: s5, S6: s6, S7: s7, S8: s8 },
  ...{ S9: s9, S10: s10, S11: s11, S12: s12, S13: s13, S14: s14, S15: s15, S16: s16 },
};

const usage = `usage: npm run sim:gossip -- [--experiment NAME …] [--seeds N] [--full] [--state FILE]

  --experiment    of ${Object.keys(experiments).join(", ")} (default: all)
  --seeds         how many runs of each (default 3)
  --full          in the sizes of the design, which takes long
  --state         keeps each run in FILE, and goes on where an earlier process stopped
  --cell-seconds  runs no further seed of a cell that took this much CPU time (default: no limit)
  --cells         runs only cells whose names match this regular expression, such as "N=(30|100) "
  --stored        runs nothing: reports what FILE has
`;
const { values, count, cellSeconds, cells } = understood(usage, () => {
  const parsed = parseArgs({
    options: {
      experiment: { type: "string", multiple: true },
      seeds: { type: "string", default: "3" },
      full: { type: "boolean", default: false },
      state: { type: "string" },
      "cell-seconds": { type: "string" },
      cells: { type: "string", default: "" },
      stored: { type: "boolean", default: false },
      help,
    },
  });
  const limit = parsed.values["cell-seconds"];
  const cellSeconds = limit === undefined ? Infinity : whole("cell-seconds", limit);
  const cells = new RegExp(parsed.values.cells);
  return { ...parsed, cellSeconds, cells, count: whole("seeds", parsed.values.seeds, 1) };
});
const { full, stored } = values;
const seeds = Array.from({ length: count }, (_, at) => at + 1);
const ledger = new Ledger({ file: values.state ?? null, cellSeconds, cells });
for (const id of values.experiment ?? Object.keys(experiments)) {
  const experiment = experiments[id];
  if (experiment === undefined) misused(usage, `There is no experiment "${id}"`);
  const prefix = `${id}${full ? " full" : ""}`;
  // Seed after seed: whenever it is stopped, all cells have about as many runs.
  for (const seed of stored ? [] : seeds)
    experiment({ runs: ledger.running(prefix, [seed]), full });
  const report = experiment({ runs: ledger.stored(prefix, seeds), full });
  const seconds = ledger.seconds(prefix);
  process.stdout.write(`${tableText(report)}\n(${seconds.toFixed(1)} s)\n`);
  process.stdout.write(`${JSON.stringify({ ...report, seeds, full, seconds })}\n\n`);
}
