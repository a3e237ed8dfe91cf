/** Who counts as heard: whoever answered this process, and while a leader is in sight whom gossip calls alive since. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SurroundingsWatch } from "../../../src/agent/surroundings.ts";
import { asPeerId } from "../../../src/base/ids.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { type MemberView } from "../../../src/gossip/ports.ts";
import { type InventoryView } from "../../../src/inventory/view.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("surroundings");
const far = asPeerId("far");

function begin() {
  const clock = new VirtualClock();
  const state = { hasLeader: true, status: "alive", rttMs: null as number | null };
  const watch = new SurroundingsWatch({
    self: asPeerId("self"),
    view: {
      settings: () => ({ settings: {} }),
      members: () => [],
    } as unknown as InventoryView,
    gossip: () => ({
      members: () => [{ id: far, status: state.status, rttMs: state.rttMs } as MemberView],
      neighbours: () => [asPeerId("near")],
    }),
    hasLeader: () => state.hasLeader,
    address: () => "127.0.0.1:1",
    holdIsOver: () => true,
    isDoubted: () => false,
    clock,
    logger: silentLogger,
  });
  return { clock, state, watch, heardMs: () => watch.now().heardMs.get(far) };
}

it("hearsay alone makes nobody heard", async () => {
  const { clock, heardMs, watch } = begin();
  await clock.advance(5000);
  assert.is(heardMs(), undefined);
  assert.equal(watch.now().neighbours, ["near"]);
});

it("who answered once is heard as long as gossip calls it alive, and silent from then on", async () => {
  const { clock, state, heardMs, watch } = begin();
  watch.heard(far);
  await clock.advance(5000);
  assert.is(heardMs(), 0);
  state.status = "suspect";
  await clock.advance(2000);
  assert.is(heardMs(), 2000);
});

it("without a leader only answers count: gossip may take minutes to miss many", async () => {
  const { clock, state, heardMs, watch } = begin();
  watch.heard(far);
  assert.is(heardMs(), 0);
  state.hasLeader = false;
  await clock.advance(5000);
  assert.is(heardMs(), 5000);
  state.rttMs = 1;
  assert.is(heardMs(), 0, "it answers this agent's own probes");
});

it.run();
