/** Two connected agents, real or in memory: what the contract suites of the transports run on. */
import { systemClock } from "../../src/base/clock.ts";
import { type PeerId } from "../../src/base/ids.ts";
import { type RaftTransport } from "../../src/consensus/driver/ports.ts";
import { type GossipTransport, type LaneName } from "../../src/gossip/ports.ts";
import { type DatagramLane } from "../../src/p2p/datagram-lane.ts";
import { GossipLanes } from "../../src/p2p/gossip-lanes.ts";
import { type Rpc } from "../../src/p2p/ports.ts";
import { MemoryMesh } from "./memory-mesh.ts";
import { datagramLanes, testBootId } from "./datagram-lanes.ts";
import { withMesh } from "./mesh.ts";

export interface ContractNode {
  readonly id: PeerId;
  readonly rpc: Rpc;
  readonly raft: RaftTransport;
  readonly gossip: GossipTransport;
}

export interface ContractPair {
  readonly a: ContractNode;
  readonly b: ContractNode;
  /** The process of `b` dies. */
  crashB(): Promise<void>;
}

export interface Environment {
  readonly name: string;
  /** How its gossip frames travel. */
  readonly lane: LaneName;
  run(body: (pair: ContractPair) => Promise<void>): Promise<void>;
}

const real: Environment = {
  name: "libp2p",
  lane: "stream",
  run: (body) =>
    withMesh(async (mesh) => {
      const [a, b] = await mesh.pair();
      await body({ a, b, crashB: () => b.stop() });
    }),
};

/** Gossip over datagrams, everything else as on the real hosts. */
const datagrams: Environment = {
  name: "datagrams",
  lane: "udp",
  run: (body) =>
    withMesh(async (mesh) => {
      const [a, b] = await mesh.pair();
      const lanes = await datagramLanes(mesh.cluster, [a, b]);
      const [first, second] = [lanes.get(a.id), lanes.get(b.id)];
      if (first === undefined || second === undefined) throw new Error("no lanes");
      const stopLanes = (): Promise<unknown> => Promise.all([first.stop(), second.stop()]);
      try {
        await body({
          a: { ...a, gossip: usualDatagrams(a.gossip, first, b.id) },
          b: { ...b, gossip: usualDatagrams(b.gossip, second, a.id) },
          crashB: async () => {
            await second.stop();
            await b.stop();
          },
        });
      } finally {
        await stopLanes();
      }
    }),
};

function usualDatagrams(streams: GossipTransport, lane: DatagramLane, peer: PeerId): GossipLanes {
  const lanes = new GossipLanes("usual", streams, lane);
  lanes.setDatagrams(peer, { use: "usual", bootId: testBootId(peer) });
  return lanes;
}

const memory: Environment = {
  name: "memory",
  lane: "stream",
  run: async (body) => {
    const mesh = new MemoryMesh({ clock: systemClock });
    const a = mesh.node("12D3KooWAlpha");
    const b = mesh.node("12D3KooWBeta");
    await body({ a, b, crashB: () => Promise.resolve(mesh.crash(b.id)) });
  },
};

export const environments: readonly Environment[] = [memory, real];
/** Those on which gossip's contract runs. */
export const gossipEnvironments: readonly Environment[] = [memory, real, datagrams];
