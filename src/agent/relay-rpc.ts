/**
 * The relay of committed entries between agents, over the mesh: pulls from gossip's neighbours, whose connections are
 * there anyway, and read indexes from the leader, which streams only to a few.
 */
import { AgentError } from "../base/errors.ts";
import { asPeerId } from "../base/ids.ts";
import { isJsonObject } from "../base/json.ts";
import { type ConsensusNode } from "../consensus/driver/api.ts";
import { type Relay } from "../consensus/driver/relay.ts";
import { type RelayPeers } from "../consensus/driver/relay-types.ts";
import { type GossipNode } from "../gossip/ports.ts";
import { type Rpc } from "../p2p/ports.ts";

const readIndexMs = 2000;

export function relayPeers(rpc: Pick<Rpc, "call">, gossip: () => GossipNode): RelayPeers {
  return {
    neighbours: () => gossip().neighbours(),
    // Up to a megabyte at a time: on the lane where that delays nothing urgent.
    pull: (to, request, options) =>
      rpc.call(asPeerId(to), "raft.pull", request, { ...options, lane: "bulk" }),
  };
}

/** Asks the leader for everything that was committed by now. */
export function askLeader(
  rpc: Pick<Rpc, "call">,
): (leader: string, generation: string, signal: AbortSignal) => Promise<number> {
  return async (leader, generation, signal) => {
    const options = { timeoutMs: readIndexMs, signal };
    const answer = await rpc.call(asPeerId(leader), "raft.readIndex", { generation }, options);
    if (typeof answer === "number" && Number.isSafeInteger(answer) && answer >= 0) return answer;
    throw new AgentError("BAD_ANSWER", `The leader "${leader}" gave something that is no index`);
  };
}

/** Serves what `relayPeers` and `askLeader` ask. */
export function serveRelay(
  rpc: Pick<Rpc, "handle">,
  relay: Pick<Relay, "serve">,
  node: Pick<ConsensusNode<unknown>, "generation" | "readBarrier" | "status">,
): void {
  rpc.handle("raft.pull", (payload, from, signal) => relay.serve(from, payload, signal));
  rpc.handle("raft.readIndex", async (payload) => {
    const generation = isJsonObject(payload) ? payload["generation"] : null;
    if (generation !== node.generation().id || node.status().role !== "leader") {
      const why = "This agent does not lead the generation of the one who asks.";
      throw new AgentError("NOT_LEADER", why, { leader: null });
    }
    return node.readBarrier(readIndexMs);
  });
}
