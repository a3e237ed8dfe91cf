/** Which lane a frame takes, by what both ends do with datagrams. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId } from "../../../src/base/ids.ts";
import { type DatagramUse, type GossipTransport, type Via } from "../../../src/gossip/ports.ts";
import { datagramFrameMax } from "../../../src/p2p/datagram-envelope.ts";
import { type DatagramLane } from "../../../src/p2p/datagram-lane.ts";
import { GossipLanes } from "../../../src/p2p/gossip-lanes.ts";
import { idleLane } from "../../../src/p2p/lane-meter.ts";

const it = suite("p2p/gossip-lanes");
const peer = asPeerId("peer");
const vias: readonly Via[] = ["usual", "other", "both", "stream", "udp"];

class Bench {
  readonly lanes: GossipLanes;
  taken: string[] = [];
  streamTakes = true;
  datagramTakes = true;
  readonly #known = new Set<string>();

  constructor(own: DatagramUse) {
    const refuse = (): never => {
      throw new Error("not asked for here");
    };
    const streams: GossipTransport = {
      sendFrame: () => this.taken.push("stream") > 0 && this.streamTakes,
      ...{ onFrame: refuse, sync: refuse, onSync: refuse, onConnection: refuse },
      ...{ setAddress: refuse, setDatagrams: refuse, want: refuse },
      lanes: () => ({ stream: idleLane, udp: idleLane }),
    };
    const datagrams: ConstructorParameters<typeof GossipLanes>[2] = {
      ...{ onFrame: refuse, setAddress: refuse, stats: () => idleLane },
      send: () => this.taken.push("udp") > 0 && this.datagramTakes,
      reaches: (to) => this.#known.has(to),
      setPeer: (id, bootId) =>
        void (bootId === null ? this.#known.delete(id) : this.#known.add(id)),
    } satisfies Partial<DatagramLane>;
    this.lanes = new GossipLanes(own, streams, datagrams);
  }

  /** The lanes that a frame takes for each `via`. */
  routes(bytes = 20): Record<string, string> {
    const routes: Record<string, string> = {};
    for (const via of vias) {
      this.taken = [];
      this.lanes.sendFrame(peer, new Uint8Array(bytes), via);
      routes[via] = this.taken.join("+");
    }
    return routes;
  }
}

const streamsOnly = {
  ...{ usual: "stream", other: "stream", both: "stream", stream: "stream", udp: "stream" },
};
const datagramsBehind = { ...streamsOnly, other: "udp", both: "stream+udp", udp: "udp" };
const datagramsFirst = { ...datagramsBehind, usual: "udp", other: "stream" };

it("prefers datagrams where both ends do, and keeps them for trouble where one does not", () => {
  const wanted = {
    usual: { none: streamsOnly, fallback: datagramsBehind, usual: datagramsFirst },
    fallback: { none: streamsOnly, fallback: datagramsBehind, usual: datagramsBehind },
  };
  for (const own of ["usual", "fallback"] as const) {
    for (const use of ["none", "fallback", "usual"] as const) {
      const bench = new Bench(own);
      bench.lanes.setDatagrams(peer, { use, bootId: "b" });
      assert.equal(bench.routes(), wanted[own][use], `${own} to ${use}`);
    }
  }
});

it("follows what a member says of itself later", () => {
  const bench = new Bench("usual");
  bench.lanes.setDatagrams(peer, { use: "usual", bootId: "b" });
  bench.lanes.setDatagrams(peer, { use: "fallback", bootId: "b" });
  assert.equal(bench.routes(), datagramsBehind);
  bench.lanes.setDatagrams(peer, { use: "none", bootId: "b" });
  assert.equal(bench.routes(), streamsOnly);
});

it("sends what is too large for a datagram over streams", () => {
  const bench = new Bench("usual");
  bench.lanes.setDatagrams(peer, { use: "usual", bootId: "b" });
  assert.equal(bench.routes(datagramFrameMax), datagramsFirst);
  assert.equal(bench.routes(datagramFrameMax + 1), streamsOnly);
});

it("counts a frame for both lanes as sent when one of them took it", () => {
  const bench = new Bench("fallback");
  bench.lanes.setDatagrams(peer, { use: "fallback", bootId: "b" });
  const taken = (stream: boolean, udp: boolean): boolean => {
    bench.streamTakes = stream;
    bench.datagramTakes = udp;
    return bench.lanes.sendFrame(peer, new Uint8Array(1), "both");
  };
  assert.equal(
    [taken(true, true), taken(true, false), taken(false, true), taken(false, false)],
    [true, true, true, false],
  );
});

it.run();
