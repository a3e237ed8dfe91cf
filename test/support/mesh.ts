/** Real agents' meshes on loopback, all in this process, that know and admit each other unless told otherwise. */
import { type PeerId } from "../../src/base/ids.ts";
import { newUuid } from "../../src/base/ids.ts";
import { systemClock } from "../../src/base/clock.ts";
import { type Logger, silentLogger } from "../../src/base/logger.ts";
import { systemRandom } from "../../src/base/random.ts";
import { Slowness } from "../../src/base/slowness.ts";
import { MeshHost, type MeshHostOptions } from "../../src/p2p/host.ts";
import { ephemeralIdentity, type Identity } from "../../src/p2p/identity.ts";
import { type MeshContext } from "../../src/p2p/mesh-context.ts";
import { MeshGossipTransport } from "../../src/p2p/gossip-transport.ts";
import { JoinServer, type JoinAuthority } from "../../src/p2p/join-server.ts";
import { MeshRaftTransport } from "../../src/p2p/raft-transport.ts";
import { MeshRpc } from "../../src/p2p/rpc.ts";

export interface TestNode extends MeshContext {
  readonly id: PeerId;
  readonly identity: Identity;
  readonly rpc: MeshRpc;
  readonly raft: MeshRaftTransport;
  readonly gossip: MeshGossipTransport;
  readonly members: Set<PeerId>;
  readonly evicted: Set<PeerId>;
  cluster: string | null;
  stop(): Promise<void>;
}

export interface TestNodeOptions extends Partial<MeshHostOptions> {
  readonly cluster?: string | null;
  readonly authority?: JoinAuthority;
  readonly logger?: Logger;
  /** Called before the start, to register protocols by hand. */
  readonly prepare?: (context: MeshContext) => void;
}

/** Runs `body` with a group of nodes and stops them all, also when it fails. */
export async function withMesh(body: (mesh: TestMesh) => Promise<void>): Promise<void> {
  const mesh = new TestMesh();
  try {
    await body(mesh);
  } finally {
    await mesh.stop();
  }
}

export class TestMesh {
  readonly cluster = newUuid();
  readonly #nodes: TestNode[] = [];

  /** A started node that belongs to nobody. */
  async stranger(options: TestNodeOptions = {}): Promise<TestNode> {
    const node = await createTestNode({ cluster: this.cluster, ...options });
    this.#nodes.push(node);
    return node;
  }

  /** Nodes that admit each other and know each other's addresses. */
  async nodes(count: number, options: TestNodeOptions = {}): Promise<readonly TestNode[]> {
    const nodes = await Promise.all(Array.from({ length: count }, () => this.stranger(options)));
    introduce(nodes);
    return nodes;
  }

  async pair(): Promise<readonly [TestNode, TestNode]> {
    const [a, b] = await this.nodes(2);
    if (a === undefined || b === undefined) throw new Error("no nodes");
    return [a, b];
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()));
  }
}

/** Makes all of `nodes` members for each other. */
export function introduce(nodes: readonly TestNode[]): void {
  for (const node of nodes) {
    for (const other of nodes) {
      node.members.add(other.id);
      node.host.setAddress(other.id, other.host.listenAddress());
    }
  }
}

async function createTestNode(options: TestNodeOptions): Promise<TestNode> {
  const identity = options.identity ?? (await ephemeralIdentity());
  const members = new Set<PeerId>();
  const evicted = new Set<PeerId>();
  const state = { cluster: options.cluster ?? null };
  const { logger = silentLogger } = options;
  const shared = { clock: systemClock, random: systemRandom, logger, slowness: new Slowness() };
  const host = new MeshHost(
    { listen: "127.0.0.1:0", advertise: [], ...options, identity },
    {
      ...shared,
      admission: {
        isMember: (peer) => members.has(peer) && !evicted.has(peer),
        isEvicted: (peer) => evicted.has(peer),
      },
    },
  );
  const context: MeshContext = { ...shared, host, clusterId: () => state.cluster };
  const rpc = new MeshRpc(context);
  const raft = new MeshRaftTransport(context);
  const gossip = new MeshGossipTransport(context, rpc);
  options.prepare?.(context);
  const joins = options.authority && new JoinServer(options.authority, context);
  await host.start(new AbortController().signal);
  return {
    ...context,
    id: identity.peer,
    identity,
    rpc,
    raft,
    gossip,
    members,
    evicted,
    get cluster(): string | null {
      return state.cluster;
    },
    set cluster(id: string | null) {
      state.cluster = id;
    },
    stop: async () => {
      await joins?.close();
      await gossip.stop();
      await raft.stop();
      await rpc.stop();
      await host.stop();
    },
  };
}
