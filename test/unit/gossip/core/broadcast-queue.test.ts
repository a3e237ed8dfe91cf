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

it("sends news as often as it may, though denials that are never sent so often come without end", () => {
  const limit = 16;
  const sentWhen = (pushNews: boolean): number => {
    const queue = new BroadcastQueue(self);
    const news: AliveNotice = { kind: "alive", record: { ...alive.record } };
    if (pushNews) queue.pushNews(0, news, 135);
    else queue.push(0, news, 135);
    let sent = 0;
    for (let round = 0; round < 100; round += 1) {
      // Three more in each frame of nine: each could be sent three times.
      for (let fresh = 0; fresh < 3; fresh += 1) queue.push(1 + 3 * round + fresh, alive, 135);
      const frame: Rumour[] = [];
      queue.fill(frame, 1349, limit);
      sent += frame.filter((rumour) => rumour === news).length;
    }
    return sent;
  };
  assert.is(sentWhen(true), limit);
  assert.ok(sentWhen(false) < 6, "or there were too few denials for this test");
});

it("leaves half of each frame to suspicions and denials, though news comes without end", () => {
  const queue = new BroadcastQueue(self);
  for (let member = 0; member < 200; member += 1) queue.pushNews(member, alive, 135);
  for (let member = 200; member < 220; member += 1) queue.push(member, alive, 135);
  for (let member = 220; member < 240; member += 1) queue.push(member, about(member), 21);
  const filled = (room: number): number => {
    const frame: Rumour[] = [];
    queue.fill(frame, room, 2);
    return frame.length;
  };
  const before = queue.size;
  // Five pieces of news, four denials, and what fits beside them.
  for (let frame = 0; frame < 10; frame += 1) assert.ok(filled(1349) >= 9);
  const waiting = Array.from({ length: 40 }, (_, at) => 200 + at).filter((ix) => queue.has(ix));
  assert.equal(waiting, []);
  assert.is(before - queue.size, 40);
});

it("sends news that is larger than half a frame", () => {
  const queue = new BroadcastQueue(self);
  const large: AliveNotice = { kind: "alive", record: { ...alive.record } };
  queue.pushNews(1, large, 1000);
  for (let member = 2; member < 60; member += 1) queue.push(member, alive, 135);
  const frame: Rumour[] = [];
  queue.fill(frame, 1349, 4);
  assert.is(frame[0], large);
});

it("holds a denial for news while it carries some that waits", () => {
  const queue = new BroadcastQueue(self);
  queue.pushNews(1, alive, 135);
  const denial: AliveNotice = { kind: "alive", record: { ...alive.record } };
  queue.push(1, denial, 135);
  for (let member = 2; member < 60; member += 1) queue.push(member, alive, 300);
  const frame: Rumour[] = [];
  queue.fill(frame, 1349, 4);
  assert.is(frame[0], denial);
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
