/** Status, members, Raft for operators, and the probes. */
import { asPeerId, type PeerId } from "../../base/ids.ts";
import { votersOf, type ConsensusStatus } from "../../consensus/driver/api.ts";
import { type ApiContext } from "../context.ts";
import { type Handlers } from "../handler.ts";
import { ApiError } from "../problems.ts";
import { leaderOf, toMembers, toRaft, toStatus } from "../views/cluster.ts";

const transferTimeoutMs = 10_000;
const readyTimeoutMs = 2000;

type ClusterRoutes =
  | "getStatus"
  | "listMembers"
  | "getRaft"
  | "transferLeadership"
  | "getHealth"
  | "getReady";

export const clusterHandlers: Handlers<ClusterRoutes> = {
  getStatus: (_, context) => ({ value: toStatus(context) }),

  listMembers: async ({ query }, context) => {
    if (query.of === undefined) return { value: toMembers(context) };
    const { id, name } = memberNamed(context, query.of);
    const isSelf = id === context.identity().id;
    return { value: isSelf ? toMembers(context) : await context.membersOf(id, name) };
  },

  getRaft: ({ query }, context) => {
    const hash = query.stateHash === true ? context.stateHash() : null;
    return { value: toRaft(context, joined(context), hash) };
  },

  transferLeadership: async ({ body }, context) => {
    const consensus = joined(context);
    const to = body.to === undefined ? null : voterNamed(context, consensus, body.to);
    if (to === null || to !== consensus.leader) {
      const done = await context.transferLeadership(to, transferTimeoutMs);
      if (!done)
        throw new ApiError("DEADLINE", "Leadership was not handed over in time; try again");
    }
    return { value: { leader: leaderOf(context, context.consensus()) } };
  },

  getHealth: () => ({ value: { status: "ok" } }),

  getReady: async (_, context) => {
    if (context.consensus() === null) {
      throw new ApiError("NOT_READY", "This agent has not joined a cluster yet");
    }
    if (context.removal() !== null) {
      const text = "A member says that this node was removed from the cluster: muster status";
      throw new ApiError("NOT_READY", text);
    }
    await context.readBarrier(readyTimeoutMs).catch((error: unknown) => {
      const message = "This agent cannot confirm its state with a leader now";
      throw new ApiError("NOT_READY", message, {}, { cause: error });
    });
    return { value: { status: "ready" } };
  },
};

function joined(context: ApiContext): ConsensusStatus {
  const consensus = context.consensus();
  if (consensus !== null) return consensus;
  throw new ApiError("NO_CLUSTER", "This agent has not joined a cluster yet");
}

function memberNamed(
  context: ApiContext,
  text: string,
): { readonly id: PeerId; readonly name: string } {
  const { view } = context;
  const node = view.node(text) ?? view.nodeById(asPeerId(text));
  const found = node ?? context.members().find(({ id, name }) => id === text || name === text);
  if (found !== undefined) return found;
  throw new ApiError("NOT_FOUND", `There is no node "${text}"`, { node: text });
}

function voterNamed(context: ApiContext, consensus: ConsensusStatus, text: string): PeerId {
  const byId = context.view.nodeById(asPeerId(text));
  const node = byId ?? context.view.node(text);
  if (node === null) throw new ApiError("NOT_FOUND", `There is no node "${text}"`, { node: text });
  if (votersOf(consensus.effective).includes(node.id)) return node.id;
  const message = `Node "${node.name}" does not vote, so it cannot lead; see /v1/status for voters`;
  throw new ApiError("CONFLICT", message, { node: node.name });
}
