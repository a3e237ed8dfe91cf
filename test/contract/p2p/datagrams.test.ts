/** The datagram lane among real gossip nodes: keys change under load, lanes mix, and strangers are not heard. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId, type PeerId } from "../../../src/base/ids.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { createGossipNode } from "../../../src/gossip/driver/node.ts";
import { localOptions } from "../../../src/gossip/options.ts";
import { type GossipNode, type GossipTransport } from "../../../src/gossip/ports.ts";
import { parseHostPort } from "../../../src/p2p/address.ts";
import { datagramFrameMax, Envelopes } from "../../../src/p2p/datagram-envelope.ts";
import { DatagramLane } from "../../../src/p2p/datagram-lane.ts";
import { GossipLanes } from "../../../src/p2p/gossip-lanes.ts";
import { verifySignature } from "../../../src/p2p/identity.ts";
import { type KeyRing } from "../../../src/p2p/key-ring.ts";
import { datagramLanes, testBootId, testRing } from "../../support/datagram-lanes.ts";
import { type TestMesh, type TestNode, withMesh } from "../../support/mesh.ts";
import { until } from "../../support/until.ts";

const it = suite("p2p/datagrams");
const everyMs = 5;
const deadlineMs = 20_000;

/** So that a machine that is busy elsewhere makes nobody fail here. */
const patient = { probeIntervalMs: 400, probeTimeoutMs: 150, suspicionMult: 8 };
/** Longer than any test: those that count datagrams count none that only ask whether they pass. */
const never = 3_600_000;

interface Agent {
  readonly node: TestNode;
  readonly lane: DatagramLane | null;
  readonly gossip: GossipNode;
  readonly bad: string[];
  readonly told: string[];
}

interface Manner {
  readonly use: "usual" | "fallback";
  /** What becomes of frames on streams. */
  readonly streams: (transport: GossipTransport) => GossipTransport;
  readonly laneCheckMs?: number;
}

const usual: Manner = { use: "usual", streams: (transport) => transport };

function gossipOf(node: TestNode, lane: DatagramLane | null, manner: Manner): Agent {
  const bad: string[] = [];
  const told: string[] = [];
  const gossip = createGossipNode(
    {
      ...{ id: node.id, name: node.id.slice(-6), address: node.host.listenAddress(), tags: {} },
      bootId: testBootId(node.id),
      protocol: {
        ...{ ...localOptions, ...patient, frameBytes: datagramFrameMax },
        laneCheckMs: manner.laneCheckMs ?? never,
      },
    },
    {
      transport:
        lane === null
          ? node.gossip
          : new GossipLanes(manner.use, manner.streams(node.gossip), lane),
      ...{ clock: node.clock, random: node.random, logger: node.logger },
      slowness: { factor: 1 },
      snapshotFile: { load: () => Promise.resolve(null), save: () => Promise.resolve() },
      isMember: (peer) => node.members.has(peer),
      sign: (bytes) => node.identity.sign(bytes),
      verify: verifySignature,
      onDoubled: () => bad.push("doubled"),
    },
  );
  gossip.onEvent((event) => {
    if (event.kind === "failed") bad.push(event.kind);
  });
  gossip.onUserEvent((event) => told.push(event.name));
  return { node, lane, gossip, bad, told };
}

/** Agents that see each other; the last `without` of them have no datagram lane. */
async function withAgents(
  counts: { readonly size: number; readonly without?: number; readonly manner?: Manner },
  body: (agents: readonly Agent[], mesh: TestMesh) => Promise<void>,
): Promise<void> {
  await withMesh(async (mesh) => {
    const nodes = await mesh.nodes(counts.size);
    const lanes = await datagramLanes(
      mesh.cluster,
      nodes.slice(0, counts.size - (counts.without ?? 0)),
    );
    const manner = counts.manner ?? usual;
    const agents = nodes.map((node) => gossipOf(node, lanes.get(node.id) ?? null, manner));
    try {
      for (const { gossip, lane } of agents) {
        await gossip.start(new AbortController().signal);
        if (lane !== null) gossip.setDatagrams(manner.use);
      }
      const [first] = agents;
      for (const { gossip } of agents.slice(1)) {
        const address = first?.node.host.listenAddress() ?? "";
        gossip.contact([{ id: first?.node.id ?? asPeerId(""), address }]);
      }
      await until({ what: "all see all", everyMs, deadlineMs }, () => allAlive(agents));
      await body(agents, mesh);
    } finally {
      for (const { gossip, lane } of agents) {
        await gossip.stop();
        await lane?.stop();
      }
    }
  });
}

/** And nobody is a newcomer any more, who is not told what was told before it came. */
function allAlive(agents: readonly Agent[]): boolean {
  return agents.every(({ gossip }) => {
    if (gossip.stats().convergence.agrees !== true) return false;
    const alive = gossip.members().filter(({ status }) => status === "alive");
    return alive.length === agents.length;
  });
}

function ring(sealing: number, ...ids: number[]): KeyRing {
  return { sealing, keys: ids.map((id) => ({ id, secret: Buffer.alloc(32, id) })) };
}

const udpIn = ({ gossip }: Agent): number => gossip.stats().lanes.udp.framesIn;

/** Waits until each agent heard `frames` more datagrams. */
async function traffic(agents: readonly Agent[], frames: number): Promise<void> {
  const before = agents.map(udpIn);
  await until({ what: "datagrams flow", everyMs, deadlineMs }, () =>
    agents.every((agent, at) => udpIn(agent) - (before[at] ?? 0) >= frames),
  );
}

it("changes keys step by step under load, and loses nobody", () =>
  withAgents({ size: 5 }, async (agents) => {
    const load = setInterval(() => {
      for (const { gossip } of agents) gossip.setTags({ load: String(Math.random()) });
    }, 50);
    try {
      await traffic(agents, 20);
      for (const { lane } of agents) {
        lane?.setRing(ring(1, 1, 2));
        await traffic(agents, 3);
      }
      for (const { lane } of agents) {
        lane?.setRing(ring(2, 1, 2));
        await traffic(agents, 3);
      }
      for (const { lane } of agents) {
        lane?.setRing(ring(2, 2));
        await traffic(agents, 3);
      }
      for (const { bad, gossip } of agents) {
        assert.equal(bad, []);
        assert.equal(gossip.stats().lanes.udp.dropped["unknownKey"], undefined);
      }
    } finally {
      clearInterval(load);
    }
  }));

it("keeps a member that missed the new key, by streams", () =>
  withAgents({ size: 3 }, async (agents) => {
    const late = agents[2];
    for (const agent of agents) if (agent !== late) agent.lane?.setRing(ring(2, 2));
    const dropped = (agent: Agent | undefined): number =>
      agent?.gossip.stats().lanes.udp.dropped["unknownKey"] ?? 0;
    const answered = (): number => agents[0]?.gossip.stats().counters.probesOtherLane ?? 0;
    await until(
      { what: "probes pass on the other lane", everyMs, deadlineMs },
      () => answered() >= 4,
    );
    assert.ok(dropped(late) > 0);
    for (const { bad, gossip } of agents) {
      assert.equal(bad, []);
      assert.is(gossip.members().filter(({ status }) => status === "failed").length, 0);
    }
  }));

it("mixes members with and without datagrams, and tells events to all of them", () =>
  withAgents({ size: 4, without: 2 }, async (agents) => {
    const [first, , third] = agents;
    first?.gossip.userEvent("deploy", Buffer.from("42"));
    third?.gossip.userEvent("rollback", new Uint8Array(0));
    await until({ what: "all heard both", everyMs, deadlineMs }, () =>
      agents.every(({ told }) => told.length === 2),
    );
    const laneOf = (viewer: Agent | undefined, seen: Agent | undefined): string | null =>
      viewer?.gossip.member(seen?.node.id ?? asPeerId(""))?.lane ?? null;
    await until(
      { what: "probes use the lanes both have", everyMs, deadlineMs },
      () => laneOf(first, agents[1]) === "udp" && laneOf(first, third) === "stream",
    );
    assert.is(third?.gossip.stats().lanes.udp.active, false);
    for (const { bad } of agents) assert.equal(bad, []);
  }));

/** Frames on streams get lost from the moment on that this says so, as when TCP waits to repeat them. */
function stalling(isStalled: () => boolean): Manner["streams"] {
  return (transport) =>
    new Proxy(transport, {
      get: (target, name) => {
        if (name === "sendFrame" && isStalled()) return () => true;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
}

it("keeps members whose streams stand still by datagrams, which carry nothing before", async () => {
  let isStalled = false;
  const manner: Manner = { use: "fallback", streams: stalling(() => isStalled) };
  await withAgents({ size: 3, manner }, async (agents) => {
    const acked = ({ gossip }: Agent): number => gossip.stats().counters.probesAcked;
    await until({ what: "streams answer", everyMs, deadlineMs }, () =>
      agents.every((agent) => acked(agent) >= 4),
    );
    // On a busy machine an answer can be late, which is what datagrams are for.
    const isAskedTwice = agents.some(({ gossip }) => {
      const { indirectAsked, probesOtherLane, refutations } = gossip.stats().counters;
      return indirectAsked + probesOtherLane + refutations > 0;
    });
    if (!isAskedTwice) assert.equal(agents.map(udpIn), [0, 0, 0]);
    isStalled = true;
    const before = agents.map(acked);
    const others = agents.map(({ gossip }) => gossip.stats().counters.probesOtherLane);
    await until({ what: "datagrams answer", everyMs, deadlineMs }, () =>
      agents.every(
        (agent, at) =>
          acked(agent) >= (before[at] ?? 0) + 5 &&
          agent.gossip.stats().counters.probesOtherLane > (others[at] ?? 0),
      ),
    );
    for (const { bad, gossip } of agents) {
      assert.equal(bad, []);
      assert.is(gossip.members().filter(({ status }) => status !== "alive").length, 0);
      assert.is(gossip.members().filter(({ lane }) => lane === "udp").length, 2);
    }
  });
});

it("sees that spare datagrams to a member do not pass, and that they pass again", async () => {
  const manner: Manner = { ...usual, use: "fallback", laneCheckMs: 200 };
  await withAgents({ size: 3, manner }, async (agents) => {
    const passes = (viewer: number, seen: number): boolean | null | undefined =>
      agents[viewer]?.gossip.member(agents[seen]?.node.id ?? asPeerId(""))?.datagramsPass;
    const all = (wanted: (viewer: number, seen: number) => boolean): boolean =>
      [0, 1, 2].every((viewer) =>
        [0, 1, 2].every((seen) => viewer === seen || passes(viewer, seen) === wanted(viewer, seen)),
      );
    await until({ what: "all pass", everyMs, deadlineMs }, () => all(() => true));
    // As when a firewall lets none through to it: what it gets, or sends, is not to be opened.
    agents[2]?.lane?.setRing(ring(9, 9));
    await until({ what: "it is silent", everyMs, deadlineMs: 60_000 }, () =>
      all((viewer, seen) => viewer !== 2 && seen !== 2),
    );
    assert.is(passes(0, 0), null, "nobody asks itself");
    agents[2]?.lane?.setRing(testRing);
    await until({ what: "all pass again", everyMs, deadlineMs: 60_000 }, () => all(() => true));
    for (const { bad } of agents) assert.equal(bad, []);
  });
});

it("does without datagrams where the port is taken, unless they are needed", () =>
  withMesh(async (mesh) => {
    const [a] = await mesh.pair();
    const taken = await rawSocket();
    const listen = (): string => `127.0.0.1:${taken.address().port}`;
    const lane = (isNeeded: boolean): DatagramLane =>
      new DatagramLane(
        { ...{ self: a.id, bootId: testBootId(a.id), clusterId: mesh.cluster }, isNeeded, listen },
        { clock: a.clock, logger: a.logger },
      );
    const signal = new AbortController().signal;
    try {
      const fallback = lane(false);
      await fallback.start(signal);
      assert.is(fallback.isOpen, false);
      assert.is(fallback.stats().active, false);
      fallback.setRing(testRing);
      fallback.setAddress(asPeerId("b"), "127.0.0.1:9");
      fallback.setPeer(asPeerId("b"), testBootId(a.id));
      assert.is(fallback.reaches(asPeerId("b")), false);
      await fallback.stop();
      const refused = await lane(true)
        .start(signal)
        .then(
          () => null,
          (error: unknown) => error,
        );
      assert.is((refused as { code?: string } | null)?.code, "PORT_IN_USE");
    } finally {
      taken.close();
    }
  }));

it("says that datagrams are refused by this host's own firewall only where they are needed", () =>
  withMesh(async (mesh) => {
    const [a] = await mesh.pair();
    const b = asPeerId("b");
    for (const isNeeded of [true, false]) {
      const said: string[] = [];
      const warn = (_: object, text: string): void => void said.push(text);
      const lane = new DatagramLane(
        {
          ...{ self: a.id, bootId: testBootId(a.id), clusterId: mesh.cluster, isNeeded },
          listen: () => "127.0.0.1:0",
        },
        { clock: a.clock, logger: { ...silentLogger, warn } },
      );
      await lane.start(new AbortController().signal);
      lane.setRing(testRing);
      lane.setAddress(b, "255.255.255.255:9"); // the kernel refuses it, as it does what a firewall rejects
      lane.setPeer(b, testBootId(b));
      lane.send(b, Buffer.from("x"));
      await until({ what: "it was refused", everyMs }, () => {
        return lane.stats().dropped["sendFailed"] === 1;
      });
      assert.equal(said, isNeeded ? ["datagram dropped"] : []);
      await lane.stop();
    }
  }));

async function rawSocket(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

it("counts and drops what strangers, replays and other clusters send, and cuts off who goes on", () =>
  withMesh(async (mesh) => {
    const [a, b] = await mesh.pair();
    const lanes = await datagramLanes(mesh.cluster, [a, b]);
    const lane = lanes.get(b.id);
    const heard: string[] = [];
    lane?.onFrame((from: PeerId, frame) => heard.push(`${from} ${Buffer.from(frame).toString()}`));
    const socket = await rawSocket();
    const { port } = parseHostPort(b.host.listenAddress()) ?? { port: 0 };
    const send = (bytes: Uint8Array): void => socket.send(bytes, port, "127.0.0.1");
    const envelopes = (clusterId: string, self = a.id): Envelopes => {
      const made = new Envelopes({ self, bootId: testBootId(self), clusterId });
      made.setRing(testRing);
      made.setPeer(b.id, testBootId(b.id));
      return made;
    };
    const seal = (from: Envelopes): Uint8Array =>
      from.seal(b.id, Buffer.from("x")) ?? Buffer.alloc(0);
    const dropped = (reason: string): number => lane?.stats().dropped[reason] ?? 0;
    try {
      const own = envelopes(mesh.cluster);
      const genuine = seal(own);
      for (const bytes of [genuine, genuine, genuine]) send(bytes);
      send(seal(envelopes("f".repeat(32))));
      send(seal(envelopes(mesh.cluster, asPeerId("stranger"))));
      const forged = seal(own);
      forged[forged.length - 1] = ~(forged.at(-1) ?? 0) & 0xff;
      send(forged);
      send(Buffer.from("hello?"));
      await until({ what: "all are judged", everyMs }, () => dropped("malformed") === 1);
      assert.equal(heard, [`${a.id} x`]);
      const reasons = ["replayed", "foreignCluster", "unknownSender", "forged"];
      assert.equal(reasons.map(dropped), [2, 1, 1, 1]);
      await until({ what: "the source is cut off", everyMs }, () => {
        for (let sent = 0; sent < 50; sent += 1) send(Buffer.from("noise"));
        return dropped("sourceCut") > 0;
      });
      const before = heard.length;
      send(seal(own));
      const cut = dropped("sourceCut");
      await until({ what: "more is dropped", everyMs }, () => dropped("sourceCut") > cut);
      assert.is(heard.length, before);
    } finally {
      socket.close();
      for (const each of lanes.values()) await each.stop();
    }
  }));

it("says once in ten seconds that it cut off sources, however many addresses a stranger forges", () =>
  withMesh(async (mesh) => {
    const [a] = await mesh.pair();
    const said: string[] = [];
    const warn = (_: object, text: string): void => void said.push(text);
    const lane = new DatagramLane(
      {
        ...{ self: a.id, bootId: testBootId(a.id), clusterId: mesh.cluster, isNeeded: false },
        listen: () => a.host.listenAddress(),
      },
      { clock: { ...a.clock, monotonicMs: () => 0 }, logger: { ...silentLogger, warn } },
    );
    await lane.start(new AbortController().signal);
    const { port } = parseHostPort(a.host.listenAddress()) ?? { port: 0 };
    const sockets: Socket[] = [];
    try {
      for (let sources = 1; sources <= 3; sources += 1) {
        const socket = await rawSocket();
        sockets.push(socket); // open until the end: no port comes twice
        await until({ what: "the source is cut off", everyMs }, () => {
          for (let sent = 0; sent < 50; sent += 1) socket.send("noise", port, "127.0.0.1");
          return lane.stats().dropped["malformed"] === 200 * sources;
        });
      }
      assert.is(said.filter((text) => text.startsWith("too many")).length, 1);
    } finally {
      for (const socket of sockets) socket.close();
      await lane.stop();
    }
  }));

it.run();
