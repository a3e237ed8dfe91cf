/** Commands on their way to the leader: only within one history. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { forwarding, serveLeaderDoor } from "../../../src/agent/leader-door.ts";
import { AgentError, errorCode } from "../../../src/base/errors.ts";
import { bootstrapGeneration } from "../../../src/consensus/lineage/generation.ts";
import { type Generation } from "../../../src/consensus/lineage/types.ts";

const it = suite("leader door");

type Handler = (payload: unknown) => Promise<unknown>;

/** The door of a leader in one generation, and the way to it from an agent in another. */
function door(leader: Generation, agent: Generation, methods?: readonly string[]) {
  const handlers = new Map<string, Handler>();
  const taken: Uint8Array[] = [];
  /** Two clocks that run alike and show different times. */
  const time = { ms: 0, life: "first", commitMs: 0 };
  const serve = (): void =>
    serveLeaderDoor({
      rpc: { handle: (method, handler) => void handlers.set(method, handler as Handler) },
      handleForward: (request) => {
        time.ms += time.commitMs;
        return Promise.resolve({ index: taken.push(request), term: 3 });
      },
      node: { generation: () => leader, transferLeadership: () => Promise.resolve(false) },
      clock: { monotonicMs: () => time.ms },
      life: time.life,
    });
  serve();
  /** How long the way to the leader takes, and what was sent. */
  const link = { delayMs: 0, sent: [] as string[] };
  const call = async (_to: string, method: string, payload: unknown): Promise<unknown> => {
    link.sent.push(method);
    time.ms += link.delayMs;
    const isKnown = methods?.includes(method) ?? true;
    const handler = isKnown ? handlers.get(method) : undefined;
    if (handler === undefined) throw new AgentError("UNKNOWN_METHOD", "not known here");
    return handler(payload);
  };
  const clock = { monotonicMs: () => time.ms + 1_000_000 };
  const { meet, forward } = forwarding({ rpc: { call }, node: { generation: () => agent }, clock });
  const submit = async (leader: string, bytes: Uint8Array, timeoutMs: number) => {
    await meet(leader, timeoutMs);
    return forward(leader, bytes, timeoutMs);
  };
  return { meet, forward, taken, call, link, time, serve, submit };
}

const one = bootstrapGeneration("one");
const two = { ...one, n: 2, id: "2".repeat(32), parent: one.id };
const request = Buffer.from("x");

it("takes a command of its own generation", async () => {
  const { submit, taken } = door(one, one);
  assert.equal(await submit("leader", request, 100), { index: 1, term: 3 });
  assert.equal(taken, [request]);
});

it("takes none of another generation, and the sender knows that nothing happened", async () => {
  const { submit, taken, call } = door(two, one);
  assert.is(await submit("leader", request, 100).then(String, errorCode), "NOT_LEADER");
  const unnamed = call("leader", "inventory.submit", { request });
  assert.is(await unnamed.then(String, errorCode), "NOT_LEADER");
  assert.equal(taken, []);
});

it("takes nothing that comes when its sender waits no more, and asks a leader for its time once", async () => {
  const { submit, taken, link, time } = door(one, one);
  await submit("leader", request, 2000);
  time.ms += 50_000;
  await submit("leader", request, 2000);
  assert.equal(link.sent, ["inventory.clock", "inventory.submit", "inventory.submit"]);
  link.delayMs = 90_000; // the link failed, and is whole again
  assert.is(await submit("leader", request, 2000).then(String, errorCode), "NOT_LEADER");
  assert.is(taken.length, 2);
  link.delayMs = 1999;
  await submit("leader", request, 2000);
  assert.is(taken.length, 3);
});

it("thinks the leader's time no later than it is, however long the leader took to answer", async () => {
  const { submit, taken, link, time } = door(one, one);
  time.commitMs = 1500;
  await submit("leader", request, 2000);
  time.commitMs = 0;
  link.delayMs = 2001; // more than its sender waits
  assert.is(await submit("leader", request, 2000).then(String, errorCode), "NOT_LEADER");
  assert.is(taken.length, 1);
});

it("sends nothing to a leader whose time it does not know", async () => {
  const { meet, forward, submit, link, time, serve } = door(one, one);
  assert.is(await forward("leader", request, 2000).then(String, errorCode), "PEER_UNREACHABLE");
  assert.equal(link.sent, []);
  await submit("leader", request, 2000);
  assert.is(meet("leader", 2000), null, "it is known");
  Object.assign(time, { life: "second" });
  serve();
  await submit("leader", request, 2000).catch(() => undefined); // another request, which fails
  const sent = link.sent.length;
  assert.is(await forward("leader", request, 2000).then(String, errorCode), "PEER_UNREACHABLE");
  assert.is(link.sent.length, sent);
});

it("takes nothing that was meant for an earlier process of the leader", async () => {
  const { submit, taken, time, serve } = door(one, one);
  await submit("leader", request, 2000);
  Object.assign(time, { life: "second", ms: 5 });
  serve();
  assert.is(await submit("leader", request, 2000).then(String, errorCode), "NOT_LEADER");
  await submit("leader", request, 2000); // knows the new one's time
  assert.is(taken.length, 2);
});

it("sends without a time to a leader of an earlier version", async () => {
  const { submit, taken } = door(one, one, ["inventory.submit"]);
  await submit("leader", request, 2000);
  assert.is(taken.length, 1);
});

it.run();
