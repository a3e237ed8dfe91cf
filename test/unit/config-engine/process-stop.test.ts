import { suite } from "uvu";
import * as assert from "uvu/assert";
import { stopProcesses } from "../../../src/config-engine/process-stop.ts";
import { type ProcessEntry } from "../../../src/config-engine/process-table.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("config-engine: stopping processes");

/** Beyond the highest pid that Linux gives: signals to it reach nobody. */
const nobody: ProcessEntry = {
  pid: 2 ** 22 + 1,
  parent: 1,
  session: 1,
  startTime: 1,
  command: "x",
};

it("is given up as soon as its signal aborts", async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const { signal } = stop;
  const stopping = stopProcesses(() => [nobody], 60_000, { clock, signal }).catch(String);
  await clock.advance(1000);
  stop.abort(new Error("the agent stops"));
  assert.is(await stopping, "Error: the agent stops");
});

it("names what would not die, after the grace time and some patience", async () => {
  const clock = new VirtualClock();
  const stopping = stopProcesses(() => [nobody], 1000, { clock });
  await clock.advance(12_000);
  const left = `x (${nobody.pid})`;
  assert.equal(await stopping, { told: [left], killed: true, left: [left] });
});

it("is done at once when there is nothing to stop", async () => {
  const report = await stopProcesses(() => [], 1000, { clock: new VirtualClock() });
  assert.equal(report, { told: [], killed: false, left: [] });
});

it.run();
