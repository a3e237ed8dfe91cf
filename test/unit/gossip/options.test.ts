import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isAgentError } from "../../../src/base/errors.ts";
import {
  checkGossipOptions,
  type GossipOptions,
  lanOptions,
  localOptions,
  wanOptions,
} from "../../../src/gossip/options.ts";

const it = suite("gossip/options");

it("accepts its own presets", () => {
  for (const preset of [lanOptions, wanOptions, localOptions]) {
    assert.is(checkGossipOptions(preset), preset);
  }
});

const refused: readonly (readonly [string, Partial<GossipOptions>, RegExp])[] = [
  ["a timeout that fills the interval", { probeTimeoutMs: 1000 }, /probeTimeoutMs 1000/],
  ["an interval of zero", { gossipIntervalMs: 0 }, /gossipIntervalMs is "0"/],
  ["a negative count", { indirectProbes: -1 }, /indirectProbes is "-1"/],
  ["not a number", { suspicionMult: Number.NaN }, /suspicionMult is "NaN"/],
  ["frames that no record fits into", { frameBytes: 500 }, /frameBytes is 500/],
  ["a shortest period above the longest", { syncMinMs: 60_000 }, /syncMinMs 60000/],
  ["a longest suspicion below the shortest", { suspicionMaxMult: 0.5 }, /suspicionMaxMult/],
  ["hundreds of rings", { rings: 200 }, /rings is 200/],
];

for (const [name, change, message] of refused) {
  it(`refuses ${name}`, () => {
    try {
      checkGossipOptions({ ...lanOptions, ...change });
      assert.unreachable();
    } catch (error) {
      assert.ok(isAgentError(error, "GOSSIP_OPTION_INVALID"));
      assert.match(error.message, message);
    }
  });
}

it("allows an agent that asks nobody for indirect probes", () => {
  assert.ok(checkGossipOptions({ ...lanOptions, indirectProbes: 0, confirmations: 0 }));
});

it.run();
