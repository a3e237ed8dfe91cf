/** The ledger of runs: what a grid of hours keeps when it is stopped. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Ledger } from "./gossip/runs.ts";

const it = suite("sim/gossip/runs");
const directory = mkdtempSync(join(tmpdir(), "muster-runs-"));
it.after(() => rmSync(directory, { recursive: true }));

it("goes on where an earlier process was killed, in the middle of a line", () => {
  const file = join(directory, "killed");
  const ran: string[] = [];
  const measure = (ledger: Ledger, seeds: readonly number[]): readonly unknown[] =>
    ledger.running("S1", seeds)("N=3", (seed) => {
      ran.push(`${seed}`);
      return { seed, worst: seed === 2 ? Infinity : 1.5 };
    });
  measure(new Ledger({ file, cellSeconds: Infinity }), [1, 2]);
  appendFileSync(file, '{"cell":"S1 N=3","seed":3,"sec');
  const again = new Ledger({ file, cellSeconds: Infinity });
  const outcomes = measure(again, [1, 2, 3]);
  assert.equal(ran, ["1", "2", "3"]);
  const expected = [1, 2, 3].map((seed) => ({ seed, worst: seed === 2 ? Infinity : 1.5 }));
  assert.equal(outcomes, expected);
  const stored = new Ledger({ file, cellSeconds: Infinity }).stored("S1", [1, 2, 3, 4]);
  assert.equal(
    stored("N=3", () => assert.unreachable("nothing is run")),
    expected,
  );
  assert.is(readFileSync(file, "utf8").split("\n").length, 5);
});

it("runs a cell that used up its time for no further seed, and other cells none the less", () => {
  const ledger = new Ledger({ file: null, cellSeconds: 0 });
  const busy = (seed: number): number => {
    const until = process.cpuUsage().user + 20_000;
    while (process.cpuUsage().user < until);
    return seed;
  };
  assert.equal(ledger.running("S1", [1, 2, 3])("slow", busy), [1]);
  assert.equal(ledger.running("S1", [1, 2])("other", busy), [1]);
  assert.equal(ledger.stored("S2", [1])("slow", busy), []);
});

it("runs the cells that are asked for only, and tells of all", () => {
  const file = join(directory, "cells");
  const all = new Ledger({ file, cellSeconds: Infinity }).running("S1", [1]);
  assert.equal([all("N=30 5 %", String), all("N=300 5 %", String)], [["1"], ["1"]]);
  const some = new Ledger({ file, cellSeconds: Infinity, cells: /N=30 / }).running("S1", [1, 2]);
  assert.equal([some("N=30 5 %", String), some("N=300 5 %", String)], [["1", "2"], ["1"]]);
});

it.run();
