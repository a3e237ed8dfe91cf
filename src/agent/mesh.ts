/**
 * The mesh part of an agent: identity, host, every protocol. It runs before the agent belongs to a cluster, as joining
 * goes over it; until then the protocols of members have nobody to serve.
 */
import { type Clock } from "../base/clock.ts";
import { type Logger } from "../base/logger.ts";
import { systemRandom } from "../base/random.ts";
import { MeshGossipTransport } from "../p2p/gossip-transport.ts";
import { isWildcard, requireHostPort } from "../p2p/address.ts";
import { MeshHost } from "../p2p/host.ts";
import { type Identity } from "../p2p/identity.ts";
import { type JoinAuthority, JoinServer } from "../p2p/join-server.ts";
import { MdnsDiscovery, systemNics } from "../p2p/mdns.ts";
import { mdnsSockets } from "../p2p/mdns-socket.ts";
import { type MeshContext } from "../p2p/mesh-context.ts";
import { type Admission } from "../p2p/ports.ts";
import { MeshRaftTransport } from "../p2p/raft-transport.ts";
import { MeshRpc } from "../p2p/rpc.ts";
import { type Service } from "../base/service.ts";
import { CpuWait, kernelsCpuWait } from "../base/cpu-wait.ts";
import { Slowness } from "../base/slowness.ts";
import { type AgentState } from "./agent-state.ts";
import { type AgentOptions } from "./options.ts";

export interface Mesh {
  readonly identity: Identity;
  readonly context: MeshContext;
  readonly host: MeshHost;
  readonly rpc: MeshRpc;
  readonly raft: MeshRaftTransport;
  readonly gossip: MeshGossipTransport;
  readonly joins: JoinServer;
  /** Null without `--discover`. */
  readonly discovery: MdnsDiscovery | null;
}

export interface MeshDeps {
  readonly identity: Identity;
  readonly admission: Admission;
  readonly authority: JoinAuthority;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly clusterId: () => string | null;
}

export function createMesh(options: AgentOptions, deps: MeshDeps): Mesh {
  const { identity, admission, clock } = deps;
  const logger = deps.logger.child({ module: "p2p" });
  const slowness = new Slowness(new CpuWait(clock, kernelsCpuWait()));
  const shared = { clock, logger, random: systemRandom, slowness };
  const advertise = options.advertise === null ? [] : [options.advertise];
  const host = new MeshHost(
    { listen: options.listen, advertise, identity },
    { ...shared, admission, isOpen: () => deps.clusterId() !== null },
  );
  const context: MeshContext = { ...shared, host, clusterId: deps.clusterId };
  const rpc = new MeshRpc(context);
  return {
    identity,
    context,
    host,
    rpc,
    raft: new MeshRaftTransport(context),
    gossip: new MeshGossipTransport(context, rpc),
    joins: new JoinServer(deps.authority, context),
    discovery: options.discover === null ? null : createDiscovery(options.discover, context),
  };
}

const mdnsPort = 5353;

function createDiscovery(
  { interfaces }: NonNullable<AgentOptions["discover"]>,
  context: MeshContext,
): MdnsDiscovery {
  const label = context.host.id.slice(-24).toLowerCase();
  return new MdnsDiscovery(
    { interfaces, label },
    { ...context, open: mdnsSockets(mdnsPort), nics: systemNics },
  );
}

/** An agent that listens everywhere tells others the address of an interface, and this machine may have none now. */
export function warnOfLoopback({ host, context }: Mesh, { listen }: AgentOptions): void {
  const [address = ""] = host.addresses();
  if (!isWildcard(requireHostPort(listen).host) || !address.startsWith("127.")) return;
  const text = "no other machine reaches the address that members are told: set --advertise";
  context.logger.warn({ address }, text);
}

/** From now on peers that ask on the local network are told where this member listens. */
export function announceMember(
  { discovery, host }: Mesh,
  { clusterId, clusterName }: Pick<AgentState, "clusterId" | "clusterName">,
): void {
  discovery?.use(clusterId, clusterName);
  discovery?.announce((interfaceAddress) => requireHostPort(host.addressOn(interfaceAddress)));
}

/** The join dialogues as a service: they end with the agent. */
export function joinService(mesh: Mesh): Service {
  return {
    name: "joins",
    start: () => Promise.resolve(),
    stop: () => mesh.joins.close(),
  };
}
