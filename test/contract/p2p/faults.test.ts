/** Peers that lie, stall, die in the middle, or send too much. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type Stream } from "@libp2p/interface";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { errorCode } from "../../../src/base/errors.ts";
import { newUuid } from "../../../src/base/ids.ts";
import { lengthPrefix } from "../../../src/p2p/framing.ts";
import { encodeHello } from "../../../src/p2p/hello.ts";
import { encodeRpc } from "../../../src/p2p/rpc-codec.ts";
import { memberProtocols, Protocol } from "../../../src/p2p/protocols.ts";
import { withMesh, type TestNode } from "../../support/mesh.ts";
import { MemorySink, slices, snapshotMeta } from "../../support/snapshots.ts";
import { until } from "../../support/until.ts";

const it = suite("mesh faults");
const timeoutMs = 5_000;
const everyMs = 5;
const silence = new AbortController().signal;

function frame(body: Uint8Array): Buffer {
  return Buffer.concat([lengthPrefix(body.byteLength, 4), body]);
}

/** The other side wants no more of it. */
function isOver(stream: Stream): boolean {
  return stream.status !== "open" || stream.remoteWriteStatus === "closed";
}

/** A bare stream of a member that said hello and was accepted. */
async function greeted(from: TestNode, to: TestNode, protocol: Protocol): Promise<Stream> {
  const stream = await from.host.openStream(to.id, protocol, silence);
  let heard = 0;
  const count = ({ data }: { data: { byteLength: number } }): void => {
    heard += data.byteLength;
  };
  stream.addEventListener("message", count);
  const hello = encodeHello(from.cluster ?? newUuid());
  stream.send(
    Buffer.concat([lengthPrefix(hello.byteLength, protocol === Protocol.swim ? 2 : 4), hello]),
  );
  await until({ what: "accepted", everyMs }, () => heard > 0 || stream.status !== "open");
  stream.removeEventListener("message", count);
  return stream;
}

it("aborts a member's stream that is malformed, on every protocol, and serves the next", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    b.rpc.handle("x", () => Promise.resolve("fine"));
    for (const protocol of memberProtocols.filter((protocol) => protocol !== Protocol.ping)) {
      for (const bytes of [
        Buffer.alloc(64, 0xff),
        Buffer.alloc(8),
        Buffer.from([0, 0, 0, 2, 1, 2]),
      ]) {
        const raw = await a.host.openStream(b.id, protocol, silence);
        raw.send(bytes);
        await until({ what: `${protocol} ends on garbage`, everyMs }, () => isOver(raw));
      }
      const stream = await greeted(a, b, protocol);
      stream.send(Buffer.from([0, 0, 0, 3, 0xc1, 0xc1, 0xc1, 0xff]));
      if (protocol !== Protocol.swim) {
        await until({ what: `${protocol} ends on nonsense`, everyMs }, () => isOver(stream));
      } else stream.abort(new Error("done"));
    }
    assert.is(await a.rpc.call(b.id, "x", null, { timeoutMs }), "fine");
  }));

it("refuses requests and answers above the limit, and goes on", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    const huge = Buffer.alloc(4 * 1024 * 1024);
    b.rpc.handle("size", (payload) => Promise.resolve((payload as Buffer).byteLength));
    b.rpc.handle("huge", () => Promise.resolve(huge));
    const call = (method: string, payload: unknown): Promise<unknown> =>
      a.rpc.call(b.id, method, payload, { timeoutMs }).catch(errorCode);
    assert.is(await call("size", huge), "RPC_TOO_LARGE");
    assert.is(await call("huge", null), "RPC_TOO_LARGE");
    assert.is(await call("size", huge.subarray(200)), huge.byteLength - 200);
  }));

it("refuses calls beyond what may be under way at once", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    const { promise, resolve } = Promise.withResolvers<null>();
    b.rpc.handle("wait", () => promise);
    const calls = Array.from({ length: 70 }, () =>
      a.rpc.call(b.id, "wait", null, { timeoutMs, lane: "bulk" }).catch(errorCode),
    );
    assert.equal(await Promise.all(calls.slice(64)), Array(6).fill("RPC_OVERLOADED"));
    resolve(null);
    assert.equal(await Promise.all(calls.slice(0, 64)), Array(64).fill(null));
  }));

it("holds a client that ignores the limits to them", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    let running = 0;
    b.rpc.handle("wait", async (_payload, _from, signal) => {
      running += 1;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      running -= 1;
      return null;
    });
    const stream = await greeted(a, b, Protocol.bulk);
    for (let id = 1; id <= 200; id += 1) {
      const request = {
        kind: "request",
        id,
        method: "wait",
        timeoutMs: 60_000,
        payload: 0,
      } as const;
      stream.send(frame(encodeRpc(request)));
    }
    await until({ what: "requests are served", everyMs }, () => running === 64);
    stream.abort(new Error("enough"));
    await until({ what: "all were aborted", everyMs }, () => running === 0);
  }));

it("does not pile up answers for a client that reads none", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    let served = 0;
    const answer = Buffer.alloc(256 * 1024);
    b.rpc.handle("big", () => {
      served += 1;
      return Promise.resolve(answer);
    });
    const stream = await greeted(a, b, Protocol.rpc);
    stream.pause();
    for (let id = 1; id <= 120; id += 1) {
      const request = {
        kind: "request",
        id,
        method: "big",
        timeoutMs: 60_000,
        payload: 0,
      } as const;
      stream.send(frame(encodeRpc({ ...request, payload: Buffer.alloc(16 * 1024) })));
    }
    b.rpc.handle("x", () => Promise.resolve("fine"));
    assert.is(await a.rpc.call(b.id, "x", null, { timeoutMs, lane: "bulk" }), "fine");
    const before = served;
    await until({ what: "the server stopped reading", everyMs: 50 }, () => served === before);
    assert.ok(served < 45, `${served} answers of 256 KiB are queued`);
    assert.is(stream.status, "open");
    stream.addEventListener("message", () => {});
    stream.resume();
    await until({ what: "a reader gets them all", everyMs: 50 }, () => served === 120);
  }));

it("drops gossip frames for a peer that reads none, without growing", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    let received = 0;
    b.gossip.onFrame(() => {
      received += 1;
    });
    const burst = Array.from({ length: 2000 }, () => a.gossip.sendFrame(b.id, Buffer.alloc(1350)));
    const accepted = burst.filter(Boolean).length;
    assert.ok(accepted >= 40 && accepted <= 50, `${accepted} frames of 1352 bytes fit in 64 KiB`);
    assert.is(a.gossip.lanes().stream.dropped["queueFull"], 2000 - accepted);
    await until({ what: "the queued ones arrive", everyMs }, () => received === accepted);
    assert.ok(a.gossip.sendFrame(b.id, Buffer.of(1)));
  }));

it("sends over the next connection what was queued when one broke", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    let served = 0;
    b.rpc.handle("x", () => Promise.resolve((served += 1)));
    assert.is(await a.rpc.call(b.id, "x", null, { timeoutMs }), 1);
    const queued = a.rpc.call(b.id, "x", null, { timeoutMs });
    a.host.disconnect(b.id);
    assert.is(await queued, 2);
  }));

it("finds out that a connection is dead when a call is not answered, and calls over another", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    b.rpc.handle("x", () => Promise.resolve("here"));
    const link = await brittleLink(b.host.listenAddress());
    try {
      a.host.setAddress(b.id, link.address);
      assert.is(await a.rpc.call(b.id, "x", null, { timeoutMs }), "here");
      link.swallow(); // what is on the way is lost, nobody is told: a network that was cut for a while
      const call = a.rpc.call(b.id, "x", null, { timeoutMs: 100 });
      assert.is(await call.then(String, errorCode), "RPC_TIMEOUT");
      await until(
        { what: "it answers over another connection", deadlineMs: 15_000 },
        async () => (await a.rpc.call(b.id, "x", null, { timeoutMs: 100 })) === "here",
      );
    } finally {
      link.close();
    }
  }));

/** Forwards to `target`; connections that are open when `swallow` is called carry nothing from then on. */
async function brittleLink(target: string) {
  const [host = "", port = ""] = target.split(":");
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), host);
    for (const socket of [near, far]) socket.on("error", () => undefined);
    open.add(near).add(far);
    near.pipe(far).pipe(near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const at = server.address();
  return {
    address: `127.0.0.1:${typeof at === "object" && at !== null ? at.port : 0}`,
    swallow(): void {
      for (const socket of open) socket.unpipe().pause();
    },
    close(): void {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

it("resumes a snapshot where a broken connection left it", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    const bytes = randomBytes(6_000_000);
    const chunks: Buffer[] = [];
    const offers: number[] = [];
    let sink = new MemorySink(snapshotMeta(bytes), chunks);
    b.raft.onSnapshot((_from, meta) => {
      sink = new MemorySink(meta, chunks);
      offers.push(sink.offset);
      const write = sink.write.bind(sink);
      sink.write = (data) => {
        if (offers.length === 1 && sink.offset > 2_000_000) b.host.disconnect(a.id);
        return write(data);
      };
      return Promise.resolve(sink);
    });
    const read = (offset: number): AsyncIterable<Uint8Array> => slices(bytes, offset);
    assert.ok(await a.raft.sendSnapshot(b.id, snapshotMeta(bytes), read, silence));
    assert.is(offers.length, 2);
    assert.is(offers[0], 0);
    assert.ok((offers[1] ?? 0) >= 2_000_000);
    assert.is(sink.state, "finished");
    assert.ok(Buffer.concat(chunks).equals(bytes));
  }));

it("gives a snapshot up when the peer is gone for good, and when told to", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    const bytes = randomBytes(3_000_000);
    const controller = new AbortController();
    const read = (offset: number): AsyncIterable<Uint8Array> => slices(bytes, offset);
    b.raft.onSnapshot((_from, meta) => {
      const sink = new MemorySink(meta);
      sink.write = () => {
        controller.abort();
        return Promise.resolve();
      };
      return Promise.resolve(sink);
    });
    assert.not.ok(await a.raft.sendSnapshot(b.id, snapshotMeta(bytes), read, controller.signal));
    a.host.setAddress(b.id, "127.0.0.1:1");
    b.host.disconnect(a.id);
    await until({ what: "disconnected", everyMs }, () => !a.host.isConnected(b.id));
    assert.not.ok(await a.raft.sendSnapshot(b.id, snapshotMeta(bytes), read, silence));
  }));

it("keeps heartbeats quick while a snapshot is on its way", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    const bytes = randomBytes(12_000_000);
    b.raft.onSnapshot((_from, meta) => Promise.resolve(new MemorySink(meta)));
    const sentAt = new Map<number, number>();
    const delays: number[] = [];
    b.raft.onMessages((_from, messages) => {
      for (const message of messages) {
        if (message.type !== "Heartbeat") continue;
        delays.push(performance.now() - (sentAt.get(message.round) ?? 0));
      }
    });
    let busy = true;
    const read = (offset: number): AsyncIterable<Uint8Array> => slices(bytes, offset);
    const sending = a.raft.sendSnapshot(b.id, snapshotMeta(bytes), read, silence).finally(() => {
      busy = false;
    });
    for (let round = 1; busy; round += 1) {
      sentAt.set(round, performance.now());
      const beat = { from: a.id, to: b.id, term: 1, commit: 0, leaderLast: 0, round };
      a.raft.send(b.id, [{ type: "Heartbeat", ...beat }]);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.ok(await sending);
    const sorted = delays.sort((x, y) => x - y);
    const median = sorted[Math.floor(sorted.length / 2)] ?? Number.POSITIVE_INFINITY;
    assert.ok(median < 100, `median ${median} ms of ${sorted.length} beats`);
  }));

it.run();
