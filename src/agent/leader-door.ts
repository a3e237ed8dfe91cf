/** Requests that only the leader can carry out, from whichever agent they were made to: writes and transfer. */
import { AgentError } from "../base/errors.ts";
import { asPeerId, type PeerId } from "../base/ids.ts";
import { isJsonObject } from "../base/json.ts";
import { type ConsensusNode } from "../consensus/driver/api.ts";
import { type CommandResult } from "../inventory/commands.ts";
import { type Rpc } from "../p2p/ports.ts";

export interface Position {
  readonly index: number;
  readonly term: number;
}

/** Margin for the way to the leader and back, on top of what the leader may take. */
const slackMs = 1000;

/**
 * Asks the leader to take a command. A command is meant for one history: the leader of another generation does not
 * take it.
 */
export function forwardSubmit(
  rpc: Pick<Rpc, "call">,
  node: Pick<ConsensusNode<CommandResult>, "generation">,
): (leader: string, request: Uint8Array, timeoutMs: number) => Promise<Position> {
  return async (leader, request, timeoutMs) => {
    const payload = { request, generation: node.generation().id };
    const answer = await rpc.call(asPeerId(leader), "inventory.submit", payload, { timeoutMs });
    if (isJsonObject(answer)) {
      const { index, term } = answer;
      if (typeof index === "number" && typeof term === "number") return { index, term };
    }
    throw new AgentError("UNKNOWN_OUTCOME", `The leader "${leader}" gave an answer that is none`);
  };
}

/** Serves what `forwardSubmit` and `forwardTransfer` ask. */
export function serveLeaderDoor(
  rpc: Pick<Rpc, "handle">,
  handleForward: (request: Uint8Array) => Promise<Position>,
  node: Pick<ConsensusNode<CommandResult>, "generation" | "transferLeadership">,
): void {
  rpc.handle("inventory.submit", async (payload) => {
    const request = isJsonObject(payload) ? (payload["request"] as unknown) : null;
    if (!(request instanceof Uint8Array)) throw new AgentError("INVALID", "request must be bytes");
    const generation = isJsonObject(payload) ? payload["generation"] : null;
    if (generation !== node.generation().id) {
      const why = "This agent is in another generation; nothing happened.";
      throw new AgentError("NOT_LEADER", why, { leader: null });
    }
    const { index, term } = await handleForward(request);
    return { index, term };
  });
  rpc.handle("raft.transfer", async (payload) => {
    const to = isJsonObject(payload) ? payload["to"] : null;
    if (to !== null && typeof to !== "string") throw new AgentError("INVALID", "to must be text");
    const timeoutMs = isJsonObject(payload) ? Number(payload["timeoutMs"]) : 0;
    return node.transferLeadership(to, Math.min(Math.max(timeoutMs, 0), 60_000));
  });
}

/** @throws AgentError NO_LEADER, CONFLICT. */
export async function forwardTransfer(
  { rpc, self }: { readonly rpc: Rpc; readonly self: PeerId },
  node: ConsensusNode<CommandResult>,
  to: PeerId | null,
  timeoutMs: number,
): Promise<boolean> {
  const { leader, effective } = node.status();
  if (to !== null && !effective.sets.some((set) => set.includes(to))) {
    throw new AgentError("CONFLICT", `Agent "${to}" is not a voter; only a voter can lead`);
  }
  if (leader === null) throw new AgentError("NO_LEADER", "No leader is known to hand on from");
  if (leader === self) return node.transferLeadership(to, timeoutMs);
  const payload = { to, timeoutMs };
  const options = { timeoutMs: timeoutMs + slackMs };
  return (await rpc.call(asPeerId(leader), "raft.transfer", payload, options)) === true;
}
