/** `npm run fuzz -- --inputs N --seed S`: prints how many inputs each decoder took. */
import process from "node:process";
import { parseArgs } from "node:util";
import { help, understood, whole } from "../support/tool-options.ts";
import { fuzz } from "./fuzz.ts";

const usage = `usage: npm run fuzz -- [--inputs N] [--seed S]

Gives each decoder N inputs (default 1000000) drawn from seed S (default 1), and prints how many it took.
`;
const { values, inputs, seed } = understood(usage, () => {
  const parsed = parseArgs({
    options: {
      inputs: { type: "string", default: "1000000" },
      seed: { type: "string", default: "1" },
      help,
    },
  });
  const { inputs, seed } = parsed.values;
  return { ...parsed, inputs: whole("inputs", inputs, 1), seed: whole("seed", seed) };
});
const begun = performance.now();
const before = process.memoryUsage().heapUsed;
const heapMiB = (): string => ((process.memoryUsage().heapUsed - before) / 1024 ** 2).toFixed(0);
const rows = await fuzz({
  inputs,
  seed,
  progress: (fed) => process.stderr.write(`${fed} inputs, heap ${heapMiB()} MiB more\n`),
});
const seconds = (performance.now() - begun) / 1000;
for (const { target, inputs, taken } of rows) {
  process.stdout.write(`${target.padEnd(14)} ${inputs} inputs, ${taken} well-formed\n`);
}
process.stdout.write(
  `${values.inputs} inputs, seed ${values.seed}, ${seconds.toFixed(1)} s, heap ${heapMiB()} MiB more: no invariant broke\n`,
);
