/** Two connected agents, real or in memory: what the contract suites of the transports run on. */
import { systemClock } from "../../src/base/clock.ts";
import { type PeerId } from "../../src/base/ids.ts";
import { type RaftTransport } from "../../src/consensus/driver/ports.ts";
import { type GossipTransport } from "../../src/gossip/ports.ts";
import { type Rpc } from "../../src/p2p/ports.ts";
import { MemoryMesh } from "./memory-mesh.ts";
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
  run(body: (pair: ContractPair) => Promise<void>): Promise<void>;
}

const real: Environment = {
  name: "libp2p",
  run: (body) =>
    withMesh(async (mesh) => {
      const [a, b] = await mesh.pair();
      await body({ a, b, crashB: () => b.stop() });
    }),
};

const memory: Environment = {
  name: "memory",
  run: async (body) => {
    const mesh = new MemoryMesh({ clock: systemClock });
    const a = mesh.node("12D3KooWAlpha");
    const b = mesh.node("12D3KooWBeta");
    await body({ a, b, crashB: () => Promise.resolve(mesh.crash(b.id)) });
  },
};

export const environments: readonly Environment[] = [memory, real];
