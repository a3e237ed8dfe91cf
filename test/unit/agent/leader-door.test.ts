/** Commands on their way to the leader: only within one history. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { forwardSubmit, serveLeaderDoor } from "../../../src/agent/leader-door.ts";
import { errorCode } from "../../../src/base/errors.ts";
import { bootstrapGeneration } from "../../../src/consensus/lineage/generation.ts";
import { type Generation } from "../../../src/consensus/lineage/types.ts";

const it = suite("leader door");

type Handler = (payload: unknown) => Promise<unknown>;

/** The door of a leader in one generation, and the way to it from an agent in another. */
function door(leader: Generation, agent: Generation) {
  const handlers = new Map<string, Handler>();
  const taken: Uint8Array[] = [];
  serveLeaderDoor(
    { handle: (method, handler) => void handlers.set(method, handler as Handler) },
    (request) => Promise.resolve({ index: taken.push(request), term: 3 }),
    { generation: () => leader, transferLeadership: () => Promise.resolve(false) },
  );
  const call = (_to: string, method: string, payload: unknown): Promise<unknown> =>
    handlers.get(method)?.(payload) ?? Promise.reject(new Error("no such method"));
  return { taken, call, submit: forwardSubmit({ call }, { generation: () => agent }) };
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

it.run();
