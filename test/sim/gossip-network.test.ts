/** The simulator's lanes: what loss does to streams and to datagrams. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { seededRandom } from "../../src/base/random.ts";
import { type LaneName } from "../../src/gossip/ports.ts";
import { lanNetwork, Network, type NetworkOptions } from "./gossip/network.ts";

const it = suite("sim/gossip/network");

function arrivals(options: Partial<NetworkOptions>, lane: LaneName): readonly (number | null)[] {
  const network = new Network({ ...lanNetwork, ...options }, seededRandom(1));
  return Array.from({ length: 1000 }, (_, at) =>
    network.arrival(10 * at, { from: 0, to: 1, lane }),
  );
}

it("loses a share of the frames on the one lane of the papers, and of datagrams", () => {
  for (const [datagrams, lane] of [
    [null, "stream"],
    ["fallback", "udp"],
  ] as const) {
    const lost = arrivals({ loss: 0.25, datagrams }, lane).filter((at) => at === null).length;
    assert.ok(lost > 200 && lost < 300, `${lost} of 1000`);
  }
});

it("repeats on a stream what was lost, and never brings a frame before an earlier one", () => {
  const late = arrivals({ loss: 0.25, datagrams: "fallback" }, "stream");
  let before = 0;
  let waited = 0;
  for (const [at, arrival] of late.entries()) {
    assert.ok(arrival !== null && arrival >= before);
    before = arrival;
    if (arrival - 10 * at >= 200) waited += 1;
  }
  // Each of a quarter waits 200 ms at least, and with it what comes after.
  assert.ok(waited > 600, `${waited} of 1000 came late`);
  const calm = arrivals({ datagrams: "fallback" }, "stream");
  assert.ok(calm.every((arrival, at) => arrival !== null && arrival - 10 * at <= 0.5));
});

it("sends over the lanes that an agent would take", () => {
  const routes = (datagrams: NetworkOptions["datagrams"]): readonly string[] => {
    const network = new Network({ ...lanNetwork, datagrams }, seededRandom(1));
    return (["usual", "other", "both", "udp"] as const).map((via) => network.route(via).join("+"));
  };
  assert.equal(routes(null), ["stream", "stream", "stream", "stream"]);
  assert.equal(routes("none"), ["stream", "stream", "stream", "stream"]);
  assert.equal(routes("fallback"), ["stream", "udp", "stream+udp", "udp"]);
  assert.equal(routes("usual"), ["udp", "stream", "stream+udp", "udp"]);
});

it.run();
