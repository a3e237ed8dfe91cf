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
import { type Generation } from "../../../src/consensus/lineage/types.ts";
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
    void peers.prepare(`n${i}`, request, () => true).catch(() => (answered += 1));
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

it("asks for no promise to a ballot that ended while the question waited for its turn", async () => {
  const asked: (() => void)[] = [];
  const rpc: Rpc = {
    handle: () => undefined,
    call: (to) => {
      const { promise, reject } = Promise.withResolvers<never>();
      asked.push(() => reject(new AgentError("RPC_TIMEOUT", to)));
      return promise;
    },
  };
  const peers = lineagePeers(rpc, () => undefined);
  let isOver = false;
  const codes = Array.from({ length: 100 }, (_, i) => {
    const ballot = { counter: 1, node: "a" };
    const isOpen = (): boolean => !isOver;
    const answer =
      i % 2 === 0
        ? peers.prepare(`n${i}`, { parent: "p", ballot, exits: [] }, isOpen)
        : peers.accept(`n${i}`, { parent: "p", ballot, child: {} as Generation }, isOpen);
    return answer.then(() => "answered", errorCode);
  });
  await new Promise((resolve) => setImmediate(resolve));
  const atOnce = asked.length;
  assert.ok(atOnce < 100, "they take turns");
  isOver = true;
  for (const end of asked) end();
  const told = await Promise.all(codes);
  assert.is(asked.length, atOnce);
  assert.is(told.filter((code) => code === "BALLOT_OVER").length, 100 - atOnce);
});

it("waits for answers as many times longer as its own machine is slow, for commits and operators as ever", async () => {
  const waits = async (factor: number): Promise<readonly number[]> => {
    const all: number[] = [];
    const rpc: Rpc = {
      handle: () => undefined,
      call: (_to, _method, _payload, { timeoutMs }) => {
        all.push(timeoutMs);
        return Promise.reject(new AgentError("RPC_TIMEOUT", "no answer"));
      },
    };
    const peers = lineagePeers(rpc, () => undefined, { factor });
    const anything = {} as never;
    const questions = [
      peers.survey(a, anything),
      peers.prepare(a, anything, () => true),
      peers.confirm(a, "g"),
      peers.merge(a, anything),
      peers.recover(a, "h"),
    ];
    await Promise.allSettled(questions);
    return all;
  };
  const [survey = 0, prepare = 0, confirm = 0, merge = 0, recover = 0] = await waits(1);
  assert.ok(survey > 0);
  assert.equal(await waits(3), [3 * survey, 3 * prepare, 3 * confirm, merge, recover]);
});

it.run();
