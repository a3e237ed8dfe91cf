/** `npm run fuzz -- --inputs N --seed S`: prints how many inputs each decoder took. */
import process from "node:process";
import { parseArgs } from "node:util";
import { fuzz } from "./fuzz.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
  },
});
const begun = performance.now();
const before = process.memoryUsage().heapUsed;
const rows = fuzz({ inputs: Number(values.inputs), seed: Number(values.seed) });
const seconds = (performance.now() - begun) / 1000;
for (const { target, inputs, taken } of rows) {
  process.stdout.write(`${target.padEnd(14)} ${inputs} inputs, ${taken} well-formed\n`);
}
const grown = (process.memoryUsage().heapUsed - before) / 1024 ** 2;
process.stdout.write(
  `${values.inputs} inputs, seed ${values.seed}, ${seconds.toFixed(1)} s, heap ${grown.toFixed(0)} MiB more: no invariant broke\n`,
);
