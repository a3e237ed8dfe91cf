/**
 * Published histories with known verdicts (the data of Porcupine's tests), read where they are. Jepsen recorded the
 * registers against etcd; of the 102 that are not empty, 79 are not linearizable.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultBudget } from "../../linearizability/budget.ts";
import { judgeText, type Report } from "../../linearizability/history-text.ts";
import { conformanceFolder } from "../../support/datadriven.ts";

const it = suite("linearizability: published histories");
const { folder, reason } = conformanceFolder("porcupine");

function judgeFile(file: string): Report {
  return judgeText(path.basename(file), readFileSync(file, "utf8"), defaultBudget);
}

function files(data: string): readonly string[] {
  return readdirSync(data).map((name) => path.join(data, name));
}

if (folder === null) {
  process.stdout.write(`# skip published histories: ${reason}\n`);
  it.skip(`judges the published histories as they are known to be (skipped: ${reason})`);
} else {
  it("judges each register history of etcd as it is known to be", () => {
    const known: unknown = JSON.parse(readFileSync(path.join(folder, "verdicts.json"), "utf8"));
    assert.ok(typeof known === "object" && known !== null);
    const verdicts = Object.entries(known);
    assert.ok(verdicts.length > 0, "verdicts.json has verdicts");
    for (const [name, linearizable] of verdicts) {
      const { verdict } = judgeFile(path.join(folder, "test_data/jepsen", name));
      assert.is(verdict, linearizable === true ? "ok" : "violation", name);
    }
  });

  it("finds 79 of the 102 register histories of etcd not linearizable", () => {
    const counts = { ok: 0, violation: 0, unknown: 0 };
    for (const file of files(path.join(folder, "test_data/jepsen"))) {
      const { verdict, operations } = judgeFile(file);
      if (operations > 0) counts[verdict] += 1;
    }
    assert.equal(counts, { ok: 23, violation: 79, unknown: 0 });
  });

  it("judges each history of a key-value store as its name says", () => {
    const histories = files(path.join(folder, "test_data/kv"));
    assert.ok(histories.length > 0);
    for (const file of histories) {
      assert.is(judgeFile(file).verdict, file.endsWith("-ok.txt") ? "ok" : "violation", file);
    }
  });
}

it.run();
