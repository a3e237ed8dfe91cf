/** Requests that only the leader can carry out, from whichever agent they were made to: writes and transfer. */
import { type Clock } from "../base/clock.ts";
import { AgentError, errorCode } from "../base/errors.ts";
import { asPeerId, type PeerId } from "../base/ids.ts";
import { isJsonObject } from "../base/json.ts";
import { type ConsensusNode } from "../consensus/driver/api.ts";
import { type CommandResult } from "../inventory/commands.ts";
import { type Rpc } from "../p2p/ports.ts";
import { LeaderClocks, type Reading, readingIn } from "./leader-clock.ts";

export interface Position {
  readonly index: number;
  readonly term: number;
}

/** Margin for the way to the leader and back, on top of what the leader may take. */
const slackMs = 1000;

export interface ForwardDeps {
  readonly rpc: Pick<Rpc, "call">;
  readonly node: Pick<ConsensusNode<CommandResult>, "generation">;
  readonly clock: Pick<Clock, "monotonicMs">;
}

/** How a command gets to the leader, as the submitter asks for it. */
export interface Forwarding {
  readonly meet: (leader: string, timeoutMs: number) => Promise<void> | null;
  readonly forward: (leader: string, request: Uint8Array, timeoutMs: number) => Promise<Position>;
}

/**
 * Asks the leader to take a command. A command is meant for one history and for now: the leader of another generation
 * does not take it, nor any leader once the sender waits no more. For that its time must be known first (`meet`).
 */
export function forwarding({ rpc, node, clock }: ForwardDeps): Forwarding {
  const clocks = new LeaderClocks(clock);
  const ask = async (leader: string, method: string, payload: unknown, timeoutMs: number) => {
    try {
      const answer = await rpc.call(asPeerId(leader), method, payload, { timeoutMs });
      const reading = readingIn(answer);
      if (reading !== null) clocks.note(leader, reading);
      return answer;
    } catch (error) {
      if (!isCrowded(error)) clocks.forget(leader);
      throw error;
    }
  };
  const meet = async (leader: string, timeoutMs: number): Promise<void> => {
    try {
      await ask(leader, "inventory.clock", {}, timeoutMs);
    } catch (error) {
      // An agent of an earlier version tells no time, and takes requests without.
      if (errorCode(error) !== "UNKNOWN_METHOD") throw notAsked(error);
      clocks.note(leader, null);
    }
  };
  const forward = async (leader: string, request: Uint8Array, timeoutMs: number) => {
    // Forgotten since it was met: another request to it failed.
    if (!clocks.knows(leader)) throw notAsked();
    const until = clocks.until(leader, timeoutMs);
    const payload = { request, generation: node.generation().id, until };
    const answer = await ask(leader, "inventory.submit", payload, timeoutMs);
    if (isJsonObject(answer)) {
      const { index, term } = answer;
      if (typeof index === "number" && typeof term === "number") return { index, term };
    }
    throw new AgentError("UNKNOWN_OUTCOME", `The leader "${leader}" gave an answer that is none`);
  };
  return {
    meet: (leader, timeoutMs) => (clocks.knows(leader) ? null : meet(leader, timeoutMs)),
    forward,
  };
}

/** It is the same leader as before: its time stays good. */
function isCrowded(error: unknown): boolean {
  return ["BUSY", "RPC_OVERLOADED"].includes(errorCode(error) ?? "");
}

function notAsked(cause?: unknown): AgentError {
  const message = "The leader does not answer; nothing happened.";
  return new AgentError("PEER_UNREACHABLE", message, {}, { cause });
}

export interface DoorDeps {
  readonly rpc: Pick<Rpc, "handle">;
  readonly node: Pick<ConsensusNode<CommandResult>, "generation" | "transferLeadership">;
  readonly handleForward: (request: Uint8Array) => Promise<Position>;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Tells this process from an earlier one of the same agent. */
  readonly life: string;
}

/** Serves what `forwarding` and `forwardTransfer` ask. */
export function serveLeaderDoor({ rpc, node, handleForward, clock, life }: DoorDeps): void {
  const reading = (): Reading => ({ life, atMs: clock.monotonicMs() });
  rpc.handle("inventory.clock", () => Promise.resolve(reading()));
  rpc.handle("inventory.submit", async (payload) => {
    const request = isJsonObject(payload) ? (payload["request"] as unknown) : null;
    if (!(request instanceof Uint8Array)) throw new AgentError("INVALID", "request must be bytes");
    const generation = isJsonObject(payload) ? payload["generation"] : null;
    if (generation !== node.generation().id) {
      const why = "This agent is in another generation; nothing happened.";
      throw new AgentError("NOT_LEADER", why, { leader: null });
    }
    const until = isJsonObject(payload) ? readingIn(payload["until"]) : null;
    if (until !== null && (until.life !== life || clock.monotonicMs() > until.atMs)) {
      const why = "This request was sent too long ago; nothing happened.";
      throw new AgentError("NOT_LEADER", why, { leader: null });
    }
    const { index, term } = await handleForward(request);
    return { index, term, ...reading() };
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
