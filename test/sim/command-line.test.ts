/** What the simulator's command line says: one run, its replay, its usage, and what it does not understand. */
import { execFile } from "node:child_process";
import path from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const it = suite("sim: command line");
const tool = path.join(import.meta.dirname, "run.ts");

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function sim(...args: readonly string[]): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  execFile(process.execPath, [tool, ...args], (error, out, err) => {
    resolve({ code: error === null ? 0 : Number(error.code), out, err });
  });
  return promise;
}

it("plays one run of histories that part and meet, the same way each time", async () => {
  const args = ["--seed", "8", "--profile", "partition-merge"];
  const [once, again] = await Promise.all([sim(...args), sim(...args)]);
  assert.is(once.code, 0, once.err);
  assert.match(
    once.out,
    /seed 8, profile partition-merge: ok, .* \d+ given up, hash [0-9a-f]{8}\n$/,
  );
  assert.is(again.out, once.out);
});

it("says how it is used, and what it does not understand, without a stack trace", async () => {
  const { code, out } = await sim("--help");
  assert.is(code, 0);
  assert.match(out, /^usage: npm run sim .*partition-merge/s);
  for (const args of [["--bogus"], ["--seed", "x"], ["--seed", "1", "--profile", "nope"]]) {
    const wrong = await sim(...args);
    assert.is(wrong.code, 2, args.join(" "));
    assert.match(wrong.err, /^[^\n]+\n\nusage: /);
    assert.not.match(wrong.err, /\n +at /);
  }
});

it.run();
