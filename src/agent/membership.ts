/** Gossip of an agent that belongs to a cluster: the node, its lanes, and who brings them the keys. */
import { AgentError } from "../base/errors.ts";
import { newBootId } from "../base/ids.ts";
import { systemRandom } from "../base/random.ts";
import { type Service } from "../base/service.ts";
import { version } from "../base/version.ts";
import { createGossipNode } from "../gossip/driver/node.ts";
import { snapshotFile } from "../gossip/driver/snapshot-file.ts";
import { lanOptions, localOptions, wanOptions } from "../gossip/options.ts";
import { type GossipNode } from "../gossip/ports.ts";
import { type Command, type CommandResult } from "../inventory/commands.ts";
import { datagramFrameMax } from "../p2p/datagram-envelope.ts";
import { DatagramLane } from "../p2p/datagram-lane.ts";
import { GossipLanes } from "../p2p/gossip-lanes.ts";
import { verifySignature } from "../p2p/identity.ts";
import { type ClusterServicesDeps, type ClusterServicesOptions } from "./cluster-services.ts";
import { KeyRotation } from "./key-rotation.ts";
import { KeyWatch } from "./key-watch.ts";

export interface MembershipDeps extends ClusterServicesDeps {
  readonly isLeader: () => boolean;
  readonly submit: (command: Command) => Promise<CommandResult>;
  readonly readBarrier: (timeoutMs: number) => Promise<void>;
}

export interface Membership {
  readonly gossip: GossipNode;
  /** In the order in which they start. */
  readonly services: readonly Service[];
}

const profiles = { lan: lanOptions, wan: wanOptions, local: localOptions };

export function createMembership(
  { options, state }: ClusterServicesOptions,
  deps: MembershipDeps,
): Membership {
  const { mesh, stateMachine, clock, isLeader, submit, readBarrier } = deps;
  const { view } = stateMachine;
  const logger = deps.logger.child({ module: "gossip" });
  const { identity, host } = mesh;
  const self = identity.peer;
  const bootId = newBootId(clock.wallMs());
  const use = options.gossipDatagrams;
  const isNeeded = use === "usual";
  const { clusterId } = state;
  const lane =
    use === "none"
      ? null
      : new DatagramLane(
          { self, bootId, clusterId, isNeeded, listen: () => host.listenAddress() },
          { clock, logger },
        );
  const profile = profiles[options.gossipProfile];
  const doubled = (address: string): string =>
    `Another agent, started earlier, runs at ${address} with the key of "${options.dataDir}"; stop it, or start this one with an empty data directory`;
  const gossip = createGossipNode(
    {
      ...{ id: self, name: state.nodeName, tags: { version }, bootId },
      address: host.addresses()[0] ?? options.listen,
      // Frames that fit into a datagram, so that they need not take the other lane.
      protocol: lane === null ? profile : { ...profile, frameBytes: datagramFrameMax },
    },
    {
      transport: lane === null ? mesh.gossip : new GossipLanes(use, mesh.gossip, lane),
      ...{ clock, logger, random: systemRandom, slowness: mesh.context.slowness },
      snapshotFile: snapshotFile(`${options.dataDir}/peers.json`),
      isMember: (peer) => view.member(peer)?.status === "admitted",
      sign: (bytes) => identity.sign(bytes),
      verify: verifySignature,
      onDoubled: (address) => deps.fail(new AgentError("IDENTITY_DOUBLED", doubled(address))),
    },
  );
  const rotation = new KeyRotation({ view, gossip, isLeader, clock, logger, submit });
  if (lane === null) return { gossip, services: [gossip, rotation] };
  const onApplied: typeof stateMachine.onApplied = (listener) => stateMachine.onApplied(listener);
  const watch = new KeyWatch({
    ...{ self, use, view, onApplied, lane, gossip, clock, logger, submit, readBarrier },
  });
  return { gossip, services: [lane, gossip, watch, rotation] };
}
