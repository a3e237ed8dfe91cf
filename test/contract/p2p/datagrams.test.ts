/** The datagram lane among real gossip nodes: keys change under load, lanes mix, and strangers are not heard. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId, type PeerId } from "../../../src/base/ids.ts";
import { createGossipNode } from "../../../src/gossip/driver/node.ts";
import { localOptions } from "../../../src/gossip/options.ts";
import { type GossipNode } from "../../../src/gossip/ports.ts";
import { parseHostPort } from "../../../src/p2p/address.ts";
import { datagramFrameMax, Envelopes } from "../../../src/p2p/datagram-envelope.ts";
import { type DatagramLane } from "../../../src/p2p/datagram-lane.ts";
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

interface Agent {
  readonly node: TestNode;
  readonly lane: DatagramLane | null;
  readonly gossip: GossipNode;
  readonly bad: string[];
  readonly told: string[];
}

function gossipOf(node: TestNode, lane: DatagramLane | null): Agent {
  const bad: string[] = [];
  const told: string[] = [];
  const gossip = createGossipNode(
    {
      ...{ id: node.id, name: node.id.slice(-6), address: node.host.listenAddress(), tags: {} },
      bootId: testBootId(node.id),
      protocol: { ...localOptions, ...patient, frameBytes: datagramFrameMax },
    },
    {
      transport: lane === null ? node.gossip : new GossipLanes(node.gossip, lane),
      ...{ clock: node.clock, random: node.random, logger: node.logger },
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
  counts: { readonly size: number; readonly without?: number },
  body: (agents: readonly Agent[], mesh: TestMesh) => Promise<void>,
): Promise<void> {
  await withMesh(async (mesh) => {
    const nodes = await mesh.nodes(counts.size);
    const lanes = await datagramLanes(
      mesh.cluster,
      nodes.slice(0, counts.size - (counts.without ?? 0)),
    );
    const agents = nodes.map((node) => gossipOf(node, lanes.get(node.id) ?? null));
    try {
      for (const { gossip, lane } of agents) {
        await gossip.start(new AbortController().signal);
        if (lane !== null) gossip.setDatagrams(true);
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

function allAlive(agents: readonly Agent[]): boolean {
  return agents.every(({ gossip }) => {
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
      send(Buffer.concat([seal(own).subarray(0, -1), Buffer.of(0)]));
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

it.run();
