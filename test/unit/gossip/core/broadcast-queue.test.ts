/** memberlist's TransmitLimitedQueue: fewest transmissions, then largest, then newest. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId } from "../../../../src/base/ids.ts";
import { seededRandom } from "../../../../src/base/random.ts";
import { BroadcastQueue } from "../../../../src/gossip/core/broadcast-queue.ts";
import {
  type Accusation,
  type AliveNotice,
  type Rumour,
  type SelfRecord,
} from "../../../../src/gossip/core/types.ts";

const it = suite("gossip/broadcast-queue");

const body: SelfRecord = {
  ...{ id: asPeerId("m1"), incarnation: 2, bootId: "", name: "m1", address: "", tags: {} },
  ...{ protocolMin: 1, protocolMax: 1, leaving: false, degraded: false, datagrams: "none" },
};
/** The member whose queue it is. */
const self = 1000;
const nothing = new Uint8Array(0);
const alive: AliveNotice = { kind: "alive", record: { body, bytes: nothing, signature: nothing } };

function about(member: number, incarnation = 1): Accusation {
  return { kind: "suspect", member, incarnation, from: 0, refused: false };
}

function taken(queue: BroadcastQueue, room: number, limit = 10): number[] {
  const frame: Rumour[] = [];
  queue.fill(frame, room, limit);
  return frame.map((rumour) => ("member" in rumour ? rumour.member : -1));
}

it("sends the least sent first, then the largest, then the newest", () => {
  const queue = new BroadcastQueue(self);
  queue.push(1, about(1), 21);
  queue.push(2, about(2), 21);
  queue.push(3, about(3), 100);
  assert.equal(taken(queue, 1000), [3, 2, 1]);
  queue.push(4, about(4), 21);
  assert.equal(taken(queue, 1000), [4, 3, 2, 1]);
});

it("sends what the agent says of itself before all else, as often as any other rumour", () => {
  const queue = new BroadcastQueue(self);
  for (let member = 0; member < 50; member += 1) queue.push(member, about(member), 300);
  queue.push(self, alive, 100);
  assert.equal(taken(queue, 400, 2), [-1, 49]);
  assert.equal(taken(queue, 400, 2), [-1, 48]);
  assert.equal(taken(queue, 400, 2), [47]);
  queue.push(self, alive, 100);
  queue.trim(10);
  assert.ok(queue.has(self), "it is not what is given up");
});

it("fills what a large rumour leaves with small ones", () => {
  const queue = new BroadcastQueue(self);
  queue.push(1, about(1), 21);
  queue.push(2, about(2), 300);
  queue.push(3, about(3), 300);
  assert.equal(taken(queue, 330), [3, 1]);
});

it("never exceeds the room", () => {
  const queue = new BroadcastQueue(self);
  for (let member = 0; member < 100; member += 1) queue.push(member, about(member), 21);
  assert.is(taken(queue, 20).length, 0);
  assert.is(taken(queue, 21 * 5 + 20).length, 5);
});

it("drops a rumour after its last allowed transmission, and tells which records that were", () => {
  const queue = new BroadcastQueue(self);
  queue.push(1, about(1), 21);
  queue.push(2, alive, 50);
  assert.equal(queue.fill([], 100, 2), []);
  assert.equal(queue.fill([], 100, 2), [2]);
  assert.is(queue.size, 0);
});

it("replaces the older rumour of the same subject, and starts counting again", () => {
  const queue = new BroadcastQueue(self);
  queue.push(1, about(1, 1), 21);
  taken(queue, 100);
  queue.push(1, about(1, 2), 21);
  assert.is(queue.size, 1);
  const frame: Rumour[] = [];
  queue.fill(frame, 100, 2);
  assert.equal(frame, [about(1, 2)]);
  assert.is(queue.size, 1);
});

it("keeps a record beside an accusation, and drops the accusation for a newer record", () => {
  const queue = new BroadcastQueue(self);
  queue.push(1, alive, 300);
  queue.push(1, about(1), 21);
  assert.equal(taken(queue, 1000), [-1, 1]);
  queue.push(1, alive, 300);
  assert.equal(taken(queue, 1000), [-1]);
});

it("gives up the most sent rumours when it is trimmed", () => {
  const queue = new BroadcastQueue(self);
  queue.push(1, about(1), 21);
  taken(queue, 100);
  queue.push(2, about(2), 21);
  queue.trim(1);
  assert.not(queue.has(1));
  assert.ok(queue.has(2));
});

it("keeps its order and its limit through ten thousand random operations", () => {
  const random = seededRandom(5);
  const queue = new BroadcastQueue(self);
  const sent = new Map<number, number>();
  for (let step = 0; step < 10_000; step += 1) {
    const member = random.below(200);
    if (random.float() < 0.4) {
      queue.push(member, about(member), 21 + random.below(300));
      sent.set(member, 0);
    } else if (random.float() < 0.1) queue.drop(member);
    else {
      for (const subject of taken(queue, random.below(1350), 4)) {
        const count = (sent.get(subject) ?? 0) + 1;
        assert.ok(count <= 4, `a rumour was sent ${count} times`);
        sent.set(subject, count);
      }
    }
    assert.ok(queue.size <= 200);
  }
});

it.run();
