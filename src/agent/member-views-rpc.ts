/** One agent's view of the members for another agent's operator: links fail one way, so views are worth comparing. */
import { type Member, membersSchema } from "../api/contract/cluster.ts";
import { compileCheck } from "../api/validate.ts";
import { AgentError, errorCode, errorMessage, isAgentError } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { P2pCode } from "../p2p/errors.ts";
import { type Rpc } from "../p2p/ports.ts";

const method = "gossip.members";
const timeoutMs = 5_000;

export function serveMemberViews(rpc: Rpc, members: () => readonly Member[]): void {
  rpc.handle(method, () => Promise.resolve(members()));
}

const check = compileCheck(membersSchema, "view of the other agent");

/** @throws AgentError NODE_NOT_REACHABLE, UNSUPPORTED (an agent of another version). */
export async function askMemberView(rpc: Rpc, peer: PeerId, name: string): Promise<Member[]> {
  const options = { timeoutMs, lane: "bulk" } as const;
  const answer = await rpc.call(peer, method, null, options).catch((cause: unknown) => {
    const reason = reasonOf(rootOf(cause));
    const text = `The agent of node "${name}" does not answer this one: ${reason}`;
    throw new AgentError("NODE_NOT_REACHABLE", text, { node: name }, { cause });
  });
  try {
    return check(answer) as Member[];
  } catch (cause) {
    const text = `The agent of node "${name}" answers in a form that this version does not know`;
    throw new AgentError("UNSUPPORTED", text, { node: name }, { cause });
  }
}

/** A call that was not answered may have been carried out: nothing to say of a question that changes nothing. */
function reasonOf(error: unknown): string {
  if (errorCode(error) === P2pCode.rpcTimeout) return `no answer within ${timeoutMs / 1000} s`;
  return errorMessage(error).replace(/\.$/, "");
}

/** Each layer of the mesh says what it tried; what an operator can act on is what went wrong first. */
function rootOf(error: unknown): unknown {
  return isAgentError(error) && isAgentError(error.cause) ? rootOf(error.cause) : error;
}
