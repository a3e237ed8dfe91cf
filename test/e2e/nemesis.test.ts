/**
 * A slice of `npm run nemesis`: one cluster of five agents on hosts of their own, and one strike each of the faults
 * that have found most in systems like this one.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nemesisNamed } from "../nemesis/catalogue.ts";
import { runNemesis } from "../nemesis/run.ts";
import { Lab } from "../support/lab/lab.ts";
import { whyNoLab } from "../support/lab/requirements.ts";

const it = suite("nemesis");
const slice = [
  "kill-leader",
  "kill-majority",
  "pause-leader",
  "halves",
  "ring",
  "deaf-leader",
  "flap",
  "clock-jump",
  "disk-full",
  "flip-byte",
  "rolling-restart",
  "survivor-cut",
];
const seed = Number(process.env["MUSTER_TEST_SEED"] ?? Date.now() % 1_000_000);

let lab: Lab;

it.before(async () => {
  lab = await Lab.start({ size: 5, diskMegabytes: 96, clocks: true });
});

it.after(async () => {
  await lab[Symbol.asyncDispose]();
});

for (const name of slice) {
  it(`keeps every promise under ${name} (seed ${seed})`, async () => {
    const lines: string[] = [];
    const log = (line: string): number => lines.push(line);
    const nemesis = nemesisNamed(name);
    const report = await runNemesis({ lab, nemesis, seconds: 0, seed, log });
    const story = [...report.problems, `see ${String(report.folder)}`, ...lines].join("\n");
    assert.is(report.problems.length, 0, story);
    assert.ok(report.acknowledged > 0 && report.reads > 0, story);
    // Streams of several histories are not compared.
    assert.ok(nemesis.promise === "kept" || report.events > 0, story);
  });
}

const reason = await whyNoLab();
if (reason === null) {
  it.run();
} else {
  process.stdout.write(`# skip nemesis: ${reason}\n`);
  const skipped = suite("nemesis");
  skipped.skip(reason, () => undefined);
  skipped.run();
}
