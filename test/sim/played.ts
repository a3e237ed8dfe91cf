/** Runs for tests: one with a violation is a failure that says how to replay it. */
import * as assert from "uvu/assert";
import { onMacrotask } from "./drain.ts";
import { type ProfileName } from "./profiles.ts";
import { type RunOptions, type RunResult, run } from "./scenario.ts";

/** With what comes before and after, a run takes a minute of virtual time. */
const minuteOfChaosMs = 54_000;

export async function play(options: RunOptions): Promise<RunResult> {
  const result = await onMacrotask(() => run(options));
  const { seed, name = "safety", chaosMs } = options;
  const chaos = chaosMs === undefined ? "" : ` --ms ${chaosMs}`;
  const replay = `npm run sim -- --seed ${seed} --profile ${name}${chaos}`;
  assert.is(result.violation, null, `${result.trace}\n${result.violation ?? ""}\n${replay}`);
  return result;
}

export async function playAll(
  name: ProfileName,
  from: number,
  to: number,
): Promise<readonly RunResult[]> {
  const results: RunResult[] = [];
  for (let seed = from; seed <= to; seed += 1) {
    results.push(await play({ seed, name, chaosMs: minuteOfChaosMs }));
  }
  const seconds = sum(results, ({ virtualMs }) => virtualMs / 1000);
  assert.ok(seconds >= 60 * results.length, `${seconds} s in ${results.length} runs`);
  return results;
}

export const sum = (results: readonly RunResult[], of: (result: RunResult) => number): number =>
  results.reduce((total, result) => total + of(result), 0);
