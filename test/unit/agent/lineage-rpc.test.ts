/** Whether a history that won has a leader is asked, not believed; an agent of an earlier version cannot be asked. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  lineagePeers,
  serveLineage,
  type LineageServices,
} from "../../../src/agent/lineage-rpc.ts";
import { AgentError, errorCode } from "../../../src/base/errors.ts";
import { asPeerId } from "../../../src/base/ids.ts";
import { type Rpc } from "../../../src/p2p/ports.ts";

const it = suite("agent: lineage between agents");
const a = asPeerId("a");

/** What comes of asking an agent whose own question to its leader ends so. */
async function confirmed(confirm: ((generation: string) => Promise<void>) | null): Promise<string> {
  const handlers = new Map<string, Parameters<Rpc["handle"]>[1]>();
  const rpc: Rpc = {
    handle: (method, handler) => void handlers.set(method, handler),
    call: async (_, method, payload) => {
      const handler = handlers.get(method);
      if (handler === undefined) throw new AgentError("UNKNOWN_METHOD", method);
      return handler(payload, a, new AbortController().signal);
    },
  };
  if (confirm !== null) {
    serveLineage(rpc, { confirm, heard: () => undefined } as unknown as LineageServices);
  }
  return lineagePeers(rpc, () => undefined)
    .confirm(a, "g")
    .then(
      () => "confirmed",
      (error: unknown) => errorCode(error) ?? "no code",
    );
}

it("is confirmed by a leader that just heard its quorum, and by nothing less", async () => {
  assert.is(await confirmed(() => Promise.resolve()), "confirmed");
  const alone = new AgentError("NO_LEADER", "nobody answers");
  assert.is(await confirmed(() => Promise.reject(alone)), "NO_LEADER");
});

it("takes an agent that knows no such question at the word of its hello", async () => {
  assert.is(await confirmed(null), "confirmed");
});

it("asks a thousand for a promise in turn, each with a time of its own", async () => {
  const open = new Map<string, () => void>();
  const rpc: Rpc = {
    handle: () => undefined,
    call: (to) => {
      const { promise, reject } = Promise.withResolvers<never>();
      open.set(to, () => reject(new AgentError("RPC_TIMEOUT", to)));
      return promise;
    },
  };
  const peers = lineagePeers(rpc, () => undefined);
  const request = { parent: "p", ballot: { counter: 1, node: "a" }, exits: [] };
  let answered = 0;
  for (let i = 0; i < 1000; i += 1) {
    void peers.prepare(`n${i}`, request).catch(() => (answered += 1));
  }
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  await settled();
  while (open.size > 0) {
    assert.ok(open.size <= 32);
    const [[id, end] = ["", () => undefined]] = open;
    open.delete(id);
    end();
    await settled();
  }
  assert.is(answered, 1000);
});

it.run();
