/** The leader of two evicts its silent partner only when that is certainly off, if there is a way to make certain. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PartnerFence } from "../../../src/agent/partner-fence.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { simpleConfiguration } from "../../../src/consensus/core/configuration.ts";
import { type ConsensusStatus } from "../../../src/consensus/driver/api.ts";
import { until } from "../../support/until.ts";

const it = suite("partner-fence");

function world(given: { readonly configured: boolean; readonly succeeds: boolean }) {
  const status = {
    role: "leader",
    quorumLost: true,
    effective: simpleConfiguration(["a", "b"]),
  } as ConsensusStatus;
  const state = { status, fenced: [] as string[] };
  const fence = new PartnerFence({
    self: "a",
    node: { status: () => state.status },
    isConfigured: () => given.configured,
    fencer: {
      fence: (node) => {
        state.fenced.push(node);
        return Promise.resolve(given.succeeds);
      },
    },
    clock: systemClock,
    logger: silentLogger,
  });
  return { state, fence };
}

it("lets it evict at once where there is no fence", () => {
  const { fence, state } = world({ configured: false, succeeds: true });
  assert.ok(fence.mayEvict("b"));
  assert.equal(state.fenced, []);
});

it("waits for the fence, and forgets it when the partner is heard again", async () => {
  const { fence, state } = world({ configured: true, succeeds: true });
  assert.not(fence.mayEvict("b"));
  await fence.start();
  await until({ what: "b is fenced" }, () => fence.mayEvict("b"));
  assert.equal(state.fenced, ["b"], "once");
  state.status = { ...state.status, quorumLost: false };
  await until({ what: "b counts as alive" }, () => !fence.mayEvict("b"));
  await fence.stop();
});

it("does not evict when the fence fails", async () => {
  const { fence, state } = world({ configured: true, succeeds: false });
  await fence.start();
  await until({ what: "it was tried" }, () => state.fenced.length > 0);
  assert.not(fence.mayEvict("b"));
  await fence.stop();
});

it("fences nobody unless it leads two voters and lost the other", async () => {
  for (const change of [
    { role: "follower" },
    { quorumLost: false },
    { effective: simpleConfiguration(["a", "b", "c"]) },
  ] as const) {
    const { fence, state } = world({ configured: true, succeeds: true });
    let looks = 0;
    const changed = { ...state.status, ...change };
    Object.defineProperty(state, "status", { get: () => ((looks += 1), changed) });
    await fence.start();
    await until({ what: "it looked twice" }, () => looks >= 2);
    await fence.stop();
    assert.equal(state.fenced, []);
  }
});

it.run();
