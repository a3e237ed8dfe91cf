/** What an agent says that reaches no other member: on an inventory and virtual time. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SolitudeWatch } from "../../../src/agent/solitude-watch.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { cluster, peer } from "../../support/inventory.ts";
import { memberView } from "../../support/member-view.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("agent/solitude-watch");
const periodMs = 1000;

interface Setting {
  readonly nodes?: readonly string[];
  readonly alive?: readonly string[];
}

async function watch({ nodes = ["n1", "n2"], alive = ["n1"] }: Setting) {
  const clock = new VirtualClock();
  const warnings: string[] = [];
  const solitude = new SolitudeWatch(
    { periodMs, seeds: ["10.0.0.8:7700"] },
    {
      self: peer("n1"),
      view: cluster(...nodes).view,
      gossip: { members: () => alive.map((name) => memberView({ name })) },
      clock,
      logger: { ...silentLogger, warn: (_data, message) => warnings.push(message) },
    },
  );
  await solitude.start();
  return { clock, warnings, solitude };
}

it("says nothing in company, nor where the cluster is this node alone", async () => {
  for (const setting of [{ alive: ["n1", "n2"] }, { nodes: ["n1"] }]) {
    const { clock, warnings, solitude } = await watch(setting);
    await clock.advance(periodMs * 5);
    assert.equal(warnings, []);
    await solitude.stop();
  }
});

it("says once in twenty checks that it is alone", async () => {
  const { clock, warnings, solitude } = await watch({});
  await clock.advance(periodMs * 20);
  assert.is(warnings.length, 1);
  assert.match(warnings[0] ?? "", /cut.*down.*new addresses/);
  await clock.advance(periodMs);
  assert.is(warnings.length, 2);
  await solitude.stop();
});

it.run();
