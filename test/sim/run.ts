/**
 * Runs simulations from the command line:
 *   node test/sim/run.ts --seed 17 [--lines 400]     replays one run and prints its end
 *   node test/sim/run.ts --from 1 --count 5000       searches
 */
import { parseArgs } from "node:util";
import { run } from "./scenario.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    from: { type: "string", default: "1" },
    count: { type: "string", default: "1" },
    ms: { type: "string", default: "10000" },
    lines: { type: "string", default: "200" },
  },
});
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const from = Number(values.seed ?? values.from);
const count = Number(values.count);
let events = 0;
let failures = 0;
for (let seed = from; seed < from + count && failures < 5; seed += 1) {
  const result = run({ seed, chaosMs: Number(values.ms), traceLines: Number(values.lines) });
  events += result.events;
  if (result.violation !== null) {
    failures += 1;
    print(result.report);
  } else if (count === 1) {
    print(JSON.stringify(result.profile, null, 2));
    print(`seed ${seed}: ok, ${result.commit} entries, ${result.changes} changes`);
  }
}
print(`${count} runs, ${events} events, ${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
