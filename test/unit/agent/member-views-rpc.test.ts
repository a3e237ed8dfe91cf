import { suite } from "uvu";
import * as assert from "uvu/assert";
import { askMemberView } from "../../../src/agent/member-views-rpc.ts";
import { AgentError, errorCode, errorMessage } from "../../../src/base/errors.ts";
import { asPeerId } from "../../../src/base/ids.ts";
import { P2pCode } from "../../../src/p2p/errors.ts";
import { type Rpc } from "../../../src/p2p/ports.ts";

const it = suite("agent/member-views-rpc");

function failing(error: Error): Rpc {
  return { handle: () => undefined, call: () => Promise.reject(error) };
}

it("says that an agent gives no answer, and nothing of what may have been carried out", async () => {
  const late = new AgentError(P2pCode.rpcTimeout, "Call was not answered; it may have been done.");
  const error: unknown = await askMemberView(failing(late), asPeerId("p"), "n2").catch((e) => e);
  assert.is(errorCode(error), "NODE_NOT_REACHABLE");
  const text = 'The agent of node "n2" does not answer this one: no answer within 5 s';
  assert.is(errorMessage(error), text);
});

it("says what went wrong first, not what each layer tried", async () => {
  const cause = new AgentError(P2pCode.peerUnreachable, "The dial was refused.");
  const outer = new AgentError(P2pCode.peerUnreachable, "No stream.", {}, { cause });
  const error: unknown = await askMemberView(failing(outer), asPeerId("p"), "n2").catch((e) => e);
  assert.match(errorMessage(error), /: The dial was refused$/);
});

it.run();
