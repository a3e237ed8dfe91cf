/** When a forced generation is settled: by then everybody who was left behind is in it, with a place or without. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LineageKeeper } from "../../../src/agent/lineage-keeper.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { simpleConfiguration } from "../../../src/consensus/core/configuration.ts";
import { type ConsensusStatus } from "../../../src/consensus/driver/api.ts";
import { bootstrapGeneration } from "../../../src/consensus/lineage/generation.ts";
import { type Generation } from "../../../src/consensus/lineage/types.ts";
import { type InventoryView } from "../../../src/inventory/view.ts";
import { until } from "../../support/until.ts";

const it = suite("lineage-keeper");
const root = bootstrapGeneration("c");
const child: Generation = {
  ...{ ...root, n: 2, id: "ab".repeat(16), parent: root.id, kind: "forced-auto" },
  ...{ members: ["a"], lost: ["b", "o"] },
};

it("waits for those with a place to catch up, and for the others to say that they are back", async () => {
  const caughtUp = { caughtUp: false };
  const here = new Set<string>();
  const submitted: string[] = [];
  let looks = 0;
  const status = {
    ...{
      role: "leader",
      quorumLost: false,
      engine: "running",
      health: "ok",
      log: { salvaged: null, trusted: true },
    },
    effective: { ...simpleConfiguration(["a"]), standbys: ["b"] },
    peers: new Map([["b", caughtUp]]),
  };
  const keeper = new LineageKeeper({
    node: {
      status: () => status as unknown as ConsensusStatus,
      generation: () => child,
      onChange: () => () => undefined,
    },
    view: {
      generation: () => ({ settledAt: null }),
      member: () => {
        looks += 1;
        return { status: "admitted" };
      },
    } as unknown as InventoryView,
    evidence: new Map(),
    isWithUs: (peer) => here.has(peer),
    submit: ({ type }) => {
      submitted.push(type);
      return Promise.resolve({ ok: true, index: 1, value: null });
    },
    clock: systemClock,
    logger: silentLogger,
  });
  const looksAgain = async (): Promise<void> => {
    const before = looks;
    await until({ what: "it looks again" }, () => looks >= before + 4);
  };
  await keeper.start();
  try {
    await looksAgain();
    here.add("o").add("b");
    await looksAgain();
    assert.equal(submitted, [], "b has a place and lags");
    here.delete("o");
    caughtUp.caughtUp = true;
    await looksAgain();
    assert.equal(submitted, [], "nobody knows where o is");
    here.add("o");
    await until({ what: "it is settled" }, () => submitted.includes("generation.settled"));
  } finally {
    await keeper.stop();
  }
});

it.run();
