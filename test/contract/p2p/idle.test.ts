/** Connections that nobody needs any more go, on both sides; those that somebody keeps or uses stay. */
import { setTimeout as pause } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId } from "../../../src/base/ids.ts";
import { introduce, withMesh, type TestNode } from "../../support/mesh.ts";
import { until } from "../../support/until.ts";

const it = suite("idle connections");
const everyMs = 5;
const idleMs = 40;
const timeoutMs = 5_000;

function echoes(node: TestNode): void {
  node.rpc.handle("echo", (payload) => Promise.resolve(payload));
}

/** `what` holds at every look for several times as long as an idle connection may last. */
async function lasts(what: () => boolean): Promise<void> {
  const untilMs = performance.now() + 10 * idleMs;
  while (performance.now() < untilMs) {
    assert.ok(what());
    await pause(everyMs);
  }
}

it("closes what was used for one question, and dials again for the next", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.nodes(2, { idleMs });
    assert.ok(a && b);
    introduce([a, b]);
    echoes(b);
    const told: string[] = [];
    a.gossip.onConnection((_, state) => told.push(state));
    b.gossip.onConnection((_, state) => told.push(state));
    for (const round of [1, 2]) {
      assert.is(await a.rpc.call(b.id, "echo", round, { timeoutMs }), round);
      await until({ what: "both sides let go", everyMs }, () => {
        return a.host.connections().length + b.host.connections().length === 0;
      });
    }
    assert.not.ok(told.includes("closed"), "nobody is suspected for it");
  }));

it("keeps what one side wants, though the other does not", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.nodes(2, { idleMs });
    assert.ok(a && b);
    introduce([a, b]);
    a.raft.setPeers([b.id]);
    await until({ what: "the streams are there", everyMs }, () => {
      return b.host.connections().length === 1 && a.host.isConnected(b.id);
    });
    const [first] = b.host.connections();
    await lasts(() => b.host.connections()[0]?.sinceMs === first?.sinceMs);
    a.raft.setPeers([]);
    await until({ what: "it is let go", everyMs }, () => !b.host.isConnected(a.id));
  }));

it("leaves alone what an answer is awaited on", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.nodes(2, { idleMs });
    assert.ok(a && b);
    introduce([a, b]);
    const { promise, resolve } = Promise.withResolvers<unknown>();
    b.rpc.handle("slow", () => promise);
    const answer = a.rpc.call(b.id, "slow", null, { timeoutMs });
    await until({ what: "it is asked", everyMs }, () => b.host.isConnected(a.id));
    await lasts(() => b.host.isConnected(a.id));
    resolve("late");
    assert.is(await answer, "late");
  }));

it("loses no call to a connection that closes just then", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.nodes(2, { idleMs: 8 });
    assert.ok(a && b);
    introduce([a, b]);
    echoes(a);
    echoes(b);
    for (let n = 0; n < 60; n += 1) {
      const [from, to] = n % 2 === 0 ? [a, b] : [b, a];
      assert.is(await from.rpc.call(to.id, "echo", n, { timeoutMs }), n);
      await pause(12 + (n % 24));
    }
  }));

it("tells gossip that a kept connection was closed, and of no other", () =>
  withMesh(async (mesh) => {
    const [a, b, c] = await mesh.nodes(3);
    assert.ok(a && b && c);
    introduce([a, b, c]);
    const told: string[] = [];
    const names = new Map([
      [b.id, "kept"],
      [c.id, "other"],
    ]);
    a.gossip.onConnection((peer, state) => told.push(`${names.get(asPeerId(peer))} ${state}`));
    a.gossip.want([b.id]);
    await c.host.connect(a.id, new AbortController().signal);
    await until({ what: "all are connected", everyMs }, () => {
      return a.host.isConnected(b.id) && a.host.isConnected(c.id);
    });
    await c.stop();
    await until({ what: "the other is gone", everyMs }, () => !a.host.isConnected(c.id));
    await b.stop();
    await until({ what: "the kept one is gone", everyMs }, () => told.includes("kept closed"));
    assert.not.ok(told.includes("other closed"));
  }));

it.run();
