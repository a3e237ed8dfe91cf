/** Real hosts on loopback: who gets in, who is turned away, and what a failing peer leaves behind. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../src/base/clock.ts";
import { errorCode } from "../../../src/base/errors.ts";
import { newUuid } from "../../../src/base/ids.ts";
import { requireHostPort } from "../../../src/p2p/address.ts";
import { ephemeralIdentity } from "../../../src/p2p/identity.ts";
import { memberProtocols, Protocol } from "../../../src/p2p/protocols.ts";
import { introduce, withMesh, type TestNode } from "../../support/mesh.ts";
import { until } from "../../support/until.ts";

const it = suite("mesh host");
const timeoutMs = 5_000;
const everyMs = 5;
/** Longer than a peer is called without an answer of its kernel. */
const slowMs = 6_500;
const silence = new AbortController().signal;

/** What `from` gets back, until the stream closes, when it says a proper hello on a stream to `to`. */
async function knock(from: TestNode, to: TestNode, protocol: Protocol): Promise<string> {
  const stream = await from.host.openStream(to.id, protocol, silence);
  const received: Uint8Array[] = [];
  stream.addEventListener("message", ({ data }) => void received.push(data.subarray()));
  if (stream.status === "open") {
    stream.send(Buffer.concat([Buffer.of(0, 0, 0, 17, 1), Buffer.from(from.cluster ?? "", "hex")]));
  }
  await until({ what: `${protocol} closes`, everyMs }, () => stream.status !== "open");
  return Buffer.concat(received).toString("hex");
}

it("gives a stranger nothing on any protocol of members", () =>
  withMesh(async (mesh) => {
    const [member] = await mesh.nodes(1);
    const stranger = await mesh.stranger();
    assert.ok(member);
    stranger.host.setAddress(member.id, member.host.listenAddress());
    for (const protocol of memberProtocols) {
      assert.is(await knock(stranger, member, protocol), "", protocol);
    }
    assert.is(member.host.counters().refusedStreams, memberProtocols.length);
  }));

it("lists every protocol but the join as one of members", () => {
  const all = Object.values(Protocol);
  assert.is(memberProtocols.length, all.length - 1);
  assert.not.ok(memberProtocols.includes(Protocol.join));
});

it("closes the connection of a stranger that was not admitted in time", () =>
  withMesh(async (mesh) => {
    const [member] = await mesh.nodes(1, { strangerMs: 100 });
    const stranger = await mesh.stranger();
    const admitted = await mesh.stranger();
    assert.ok(member);
    for (const node of [stranger, admitted]) {
      node.host.setAddress(member.id, member.host.listenAddress());
      await node.host.connect(member.id, silence);
    }
    member.members.add(admitted.id);
    await until(
      { what: "the stranger is gone", everyMs },
      () => !stranger.host.isConnected(member.id),
    );
    assert.ok(admitted.host.isConnected(member.id));
  }));

it("limits how many strangers there are at once, but never members", () =>
  withMesh(async (mesh) => {
    const [member, friend] = await mesh.nodes(2, { maxStrangers: 2 });
    assert.ok(member && friend);
    const strangers = await Promise.all([1, 2, 3, 4].map(() => mesh.stranger()));
    for (const stranger of strangers) {
      stranger.host.setAddress(member.id, member.host.listenAddress());
      await stranger.host.connect(member.id, silence).catch(() => {});
    }
    await until({ what: "two were turned away", everyMs }, () => {
      return strangers.filter((node) => node.host.isConnected(member.id)).length === 2;
    });
    await friend.host.connect(member.id, silence);
    assert.is(member.host.counters().refusedStrangers, 2);
  }));

it("counts what connects and comes to nothing, and lets members in all the while", () =>
  withMesh(async (mesh) => {
    const [member, friend, late] = await mesh.nodes(3, { strangerMs: 50 });
    assert.ok(member && friend && late);
    await friend.host.connect(member.id, silence);
    const { host, port } = requireHostPort(member.host.listenAddress());
    const garbage = async (): Promise<void> => {
      const socket = connect(port, host);
      socket.on("error", () => undefined);
      socket.write("\x14/multistream/1.0.0\n?");
      await new Promise((resolve) => socket.once("close", resolve));
    };
    for (let round = 0; round < 30; round += 1) {
      await Promise.all(Array.from({ length: 10 }, garbage));
    }
    const stranger = await mesh.stranger();
    stranger.host.setAddress(member.id, member.host.listenAddress());
    await stranger.host.connect(member.id, silence);
    await until(
      { what: "all are counted", everyMs },
      () => member.host.counters().failed === 301 && member.host.counters().opened >= 2,
    );
    await late.host.connect(member.id, silence);
    assert.is(member.host.counters().refused, 0);
  }));

it("gives evicted peers a quarter of the strangers' places, and the rest to who may join", () =>
  withMesh(async (mesh) => {
    const [member] = await mesh.nodes(1, { maxStrangers: 8 });
    assert.ok(member);
    const gone = await Promise.all([1, 2, 3, 4].map(() => mesh.stranger()));
    const joiner = await mesh.stranger();
    for (const node of gone) member.evicted.add(node.id);
    for (const node of [...gone, joiner]) {
      node.host.setAddress(member.id, member.host.listenAddress());
      await node.host.connect(member.id, silence).catch(() => {});
    }
    await until({ what: "two evicted peers were turned away", everyMs }, () => {
      return gone.filter((node) => node.host.isConnected(member.id)).length === 2;
    });
    assert.ok(joiner.host.isConnected(member.id));
    assert.is(member.host.counters().refusedStrangers, 2);
  }));

it("hangs up at once on a peer that was admitted and evicted within a stranger's time", () =>
  withMesh(async (mesh) => {
    const [member] = await mesh.nodes(1, { strangerMs: 3_600_000 });
    const guest = await mesh.stranger();
    assert.ok(member);
    guest.host.setAddress(member.id, member.host.listenAddress());
    await guest.host.connect(member.id, silence);
    await until({ what: "it is here", everyMs }, () => member.host.isConnected(guest.id));
    member.members.add(guest.id);
    member.host.enforceAdmission();
    member.evicted.add(guest.id);
    member.host.enforceAdmission();
    await until({ what: "it is gone", everyMs }, () => !guest.host.isConnected(member.id));
  }));

it("drops the connection of an evicted peer, opens none, and takes no stream over a new one", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    await b.host.connect(a.id, silence);
    await until({ what: "both know of it", everyMs }, () => a.host.isConnected(b.id));
    a.evicted.add(b.id);
    a.host.enforceAdmission();
    await until({ what: "the connection is gone", everyMs }, () => !b.host.isConnected(a.id));
    const called: unknown = await b.rpc.call(a.id, "x", null, { timeoutMs }).catch((e) => e);
    assert.is(errorCode(called), "PEER_UNREACHABLE");
    a.host.enforceAdmission();
    assert.ok(b.host.isConnected(a.id), "it has a stranger's time to ask what became of it");
    a.host.disconnect(b.id);
    const back: unknown = await a.host.connect(b.id, silence).catch((e) => e);
    assert.is(errorCode(back), "PEER_UNREACHABLE");
  }));

it("refuses streams of a member whose cluster is another one", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    b.cluster = newUuid();
    b.rpc.handle("x", () => Promise.resolve(1));
    const error: unknown = await a.rpc.call(b.id, "x", null, { timeoutMs }).catch((e) => e);
    assert.is(errorCode(error), "PEER_UNREACHABLE");
    assert.match(String(error), "another cluster");
  }));

it("checks that the peer it dialed is the one that answers", () =>
  withMesh(async (mesh) => {
    const [a, b, c] = await mesh.nodes(3);
    assert.ok(a && b && c);
    a.host.setAddress(b.id, c.host.listenAddress());
    const error: unknown = await a.host.connect(b.id, silence).catch((e) => e);
    assert.is(errorCode(error), "PEER_UNREACHABLE");
    assert.not.ok(a.host.isConnected(b.id));
  }));

it("finds a peer again that restarted on another port", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    b.rpc.handle("x", () => Promise.resolve("first"));
    assert.is(await a.rpc.call(b.id, "x", null, { timeoutMs }), "first");
    await b.stop();
    const again = await mesh.stranger({ identity: b.identity });
    introduce([a, again]);
    again.rpc.handle("x", () => Promise.resolve("second"));
    assert.is(await a.rpc.call(b.id, "x", null, { timeoutMs }), "second");
  }));

it("keeps wanted connections up across a restart without being asked", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    const seen: string[] = [];
    a.host.onConnection((_peer, state) => seen.push(state));
    a.host.keep("test", [b.id]);
    await until({ what: "connected", everyMs }, () => a.host.isConnected(b.id));
    const listen = b.host.listenAddress();
    await b.stop();
    await until({ what: "a refused dial", everyMs }, () => seen.includes("refused"));
    const again = await mesh.stranger({ identity: b.identity, listen });
    introduce([a, again]);
    await until({ what: "connected again", everyMs }, () => a.host.isConnected(b.id));
    assert.is(seen[0], "open");
    assert.is(seen[1], "closed");
  }));

it("waits for a peer that has taken the call and is slow to shake hands", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.nodes(2);
    assert.ok(a && b);
    const real = requireHostPort(b.host.listenAddress());
    let calls = 0;
    const slow = createServer((socket) => {
      calls += 1;
      socket.on("error", () => {});
      systemClock.setTimer(slowMs, () => {
        const through = connect(real.port, real.host);
        through.on("error", () => {});
        socket.pipe(through).pipe(socket);
      });
    });
    slow.listen(0, "127.0.0.1");
    await once(slow, "listening");
    const { port } = slow.address() as AddressInfo;
    a.host.setAddress(b.id, `127.0.0.1:${port}`);
    try {
      await a.host.connect(b.id, silence);
      assert.is(calls, 1);
    } finally {
      slow.close();
    }
  }));

it("reaches a peer that answers while many that do not are being called", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.nodes(2);
    assert.ok(a && b);
    const calls = new Set<Socket>();
    let given = 0;
    const frozen = createServer((socket) => {
      calls.add(socket.on("error", () => {}).on("close", () => (given += 1)));
      socket.resume();
    });
    frozen.listen(0, "127.0.0.1");
    await once(frozen, "listening");
    const { port } = frozen.address() as AddressInfo;
    const peers = await Promise.all(Array.from({ length: 70 }, () => ephemeralIdentity()));
    try {
      for (const { peer } of peers) {
        a.host.setAddress(peer, `127.0.0.1:${port}`);
        void a.host.connect(peer, silence).catch(() => {});
      }
      await a.host.connect(b.id, silence);
      assert.ok(calls.size >= 64, "as many as there are places for");
      assert.is(given, 0, "before it gave any of them up");
    } finally {
      frozen.close();
      for (const socket of calls) socket.destroy();
    }
  }));

it("dials once however many ask", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    const connections = await Promise.all(
      Array.from({ length: 20 }, () => a.host.connect(b.id, silence)),
    );
    assert.is(new Set(connections).size, 1);
    await until({ what: "b knows it", everyMs }, () => b.host.connections().length === 1);
  }));

it("ends with a connection that both hold when two dial each other at once", () =>
  withMesh(async (mesh) => {
    for (let round = 0; round < 8; round += 1) {
      const [a, b] = await mesh.pair();
      await Promise.all([a.host.connect(b.id, silence), b.host.connect(a.id, silence)]);
      const called = await Promise.allSettled([
        a.rpc.call(b.id, "x", null, { timeoutMs }),
        b.rpc.call(a.id, "x", null, { timeoutMs }),
      ]);
      for (const answer of called) {
        const code = answer.status === "rejected" ? errorCode(answer.reason) : "answered";
        assert.is(code, "UNKNOWN_METHOD", "it was reached");
      }
    }
  }));

it("says which address is taken when the port is in use", () =>
  withMesh(async (mesh) => {
    const [a] = await mesh.nodes(1);
    assert.ok(a);
    const listen = a.host.listenAddress();
    const error: unknown = await mesh.stranger({ listen }).catch((e) => e);
    assert.is(errorCode(error), "PORT_IN_USE");
    assert.match(String(error), listen);
    const nowhere: unknown = await mesh.stranger({ listen: "203.0.113.9:0" }).catch((e) => e);
    assert.is(errorCode(nowhere), "LISTEN_FAILED");
    const text: unknown = await mesh.stranger({ listen: "7700" }).catch((e) => e);
    assert.is(errorCode(text), "ADDRESS_INVALID");
  }));

it("listens on IPv6 and advertises what it was told", () =>
  withMesh(async (mesh) => {
    const a = await mesh.stranger({ listen: "[::1]:0" });
    const b = await mesh.stranger({ advertise: ["b.example:7700"] });
    introduce([a, b]);
    a.rpc.handle("x", () => Promise.resolve(1));
    assert.match(a.host.listenAddress(), /^\[::1\]:\d+$/);
    assert.is(await b.rpc.call(a.id, "x", null, { timeoutMs }), 1);
    assert.equal(b.host.addresses(), ["b.example:7700"]);
  }));

it("survives three hundred quick connections and what speaks no libp2p at all", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    const [, port = ""] = a.host.listenAddress().split(":");
    await b.host.connect(a.id, silence);
    await until({ what: "a has met b", everyMs }, () => a.host.isConnected(b.id));
    b.host.disconnect(a.id);
    const sockets = Array.from({ length: 300 }, (_, i) => {
      const socket = connect(Number(port), "127.0.0.1");
      socket.on("error", () => {});
      socket.write(i % 2 === 0 ? "GET / HTTP/1.1\r\n\r\n" : Buffer.alloc(100, 0xff));
      return socket;
    });
    a.rpc.handle("x", () => Promise.resolve("fine"));
    assert.is(await b.rpc.call(a.id, "x", null, { timeoutMs: 20_000 }), "fine");
    for (const socket of sockets) socket.destroy();
  }));

it("lets the process end when it was stopped", async () => {
  const file = path.join(import.meta.dirname, "../../support/mesh-start-stop.ts");
  const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const code = await new Promise((resolve) => child.once("exit", resolve));
  clearTimeout(timer);
  assert.is(code, 0);
});

it.run();
