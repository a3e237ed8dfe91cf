/** A call of an agent to itself: no network, but the same codec, deadline, cancel and errors as any other. */
import { abortReason, unlessAborted } from "../base/clock.ts";
import { AgentError } from "../base/errors.ts";
import { P2pCode } from "./errors.ts";
import { type MeshContext } from "./mesh-context.ts";
import { type RpcCall } from "./rpc-client.ts";
import { decodeRpc, encodeRpc } from "./rpc-codec.ts";
import { type RpcHandler } from "./rpc-server.ts";

export async function callLocally(
  call: RpcCall,
  handler: RpcHandler | null,
  { host, clock }: Pick<MeshContext, "host" | "clock">,
): Promise<unknown> {
  const { method, payload, timeoutMs } = call;
  if (handler === null) {
    throw new AgentError(P2pCode.unknownMethod, `Method "${method}" is not known here.`, {
      method,
    });
  }
  const deadline = new AbortController();
  const disarm = clock.setTimer(timeoutMs, () => {
    const text = `Call "${method}" to this agent itself was not answered within ${timeoutMs} ms.`;
    deadline.abort(new AgentError(P2pCode.rpcTimeout, text, { method }));
  });
  const given = call.signal === undefined ? [] : [call.signal];
  const signal = AbortSignal.any([deadline.signal, ...given]);
  try {
    const answer = await unlessAborted(handler(copy(payload), host.id, signal), signal);
    return copy(answer);
  } catch (error) {
    if (signal.aborted) throw abortReason(signal);
    if (error instanceof AgentError) throw error;
    const text = `Method "${method}" failed inside the agent; its log says why.`;
    throw new AgentError(P2pCode.rpcFailed, text, { method }, { cause: error });
  } finally {
    disarm();
  }
}

function copy(payload: unknown): unknown {
  const message = decodeRpc(encodeRpc({ kind: "result", id: 1, payload }));
  return message?.kind === "result" ? message.payload : null;
}
