import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CpuWait, kernelsCpuWait } from "../../../src/base/cpu-wait.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("base/cpu-wait");

it("tells the share of the time that the thread waited, over spans that are long enough", async () => {
  const clock = new VirtualClock();
  let waited: number | null = 5000;
  const wait = new CpuWait(clock, () => waited);
  assert.is(wait.take(), null, "nothing to compare with");
  await clock.advance(500);
  waited = 5500;
  assert.is(wait.take(), null, "too short");
  await clock.advance(500);
  assert.is(wait.take(), 0.5, "since it was taken last, not since it was asked");
  await clock.advance(1000);
  waited = null;
  assert.is(wait.take(), null);
});

it("reads what the kernel counts of this process, and does without where it counts nothing", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "muster-cpu-wait-"));
  try {
    const file = path.join(folder, "schedstat");
    writeFileSync(file, "7000000 2500000 13\n");
    const read = kernelsCpuWait(file);
    assert.is(read(), 2.5);
    writeFileSync(file, "7000000 112500000 14\n");
    assert.is(read(), 112.5);
    writeFileSync(file, "");
    assert.is(read(), null);
    assert.is(kernelsCpuWait(path.join(folder, "none"))(), null);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it.run();
