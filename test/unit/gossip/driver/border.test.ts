/** The driver against a transport played by hand: what it asks for, and what it makes of failures. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId, type PeerId } from "../../../../src/base/ids.ts";
import { silentLogger } from "../../../../src/base/logger.ts";
import { seededRandom } from "../../../../src/base/random.ts";
import { GossipCore } from "../../../../src/gossip/core/core.ts";
import { Directory } from "../../../../src/gossip/core/directory.ts";
import { MemberTable } from "../../../../src/gossip/core/member-table.ts";
import { type Message, Status } from "../../../../src/gossip/core/types.ts";
import { CoreHost } from "../../../../src/gossip/driver/core-host.ts";
import { createGossipNode } from "../../../../src/gossip/driver/node.ts";
import { frameBytesMax, localOptions } from "../../../../src/gossip/options.ts";
import {
  type GossipNode,
  type GossipTransport,
  type LaneName,
  type LaneStats,
} from "../../../../src/gossip/ports.ts";
import { encodeFrame } from "../../../../src/gossip/wire/frame-codec.ts";
import { datagramFrameMax } from "../../../../src/p2p/datagram-envelope.ts";
import { idleLane } from "../../../../src/p2p/lane-meter.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";
import { LoneCore, sealEvent } from "../core/lone-core.ts";
import { MemorySnapshot, testSignature } from "./gossip-agents.ts";

const it = suite("gossip/border");

class HandTransport implements GossipTransport {
  readonly addresses: string[] = [];
  readonly syncs: PeerId[] = [];
  frame: (from: PeerId, frame: Uint8Array, lane: LaneName) => void = () => {};

  sendFrame(): boolean {
    return false;
  }
  onFrame(receive: (from: PeerId, frame: Uint8Array, lane: LaneName) => void): void {
    this.frame = receive;
  }
  sync(to: PeerId): Promise<Uint8Array> {
    this.syncs.push(to);
    return Promise.reject(new Error("nobody is there"));
  }
  onSync(): void {
    // Nobody asks this agent.
  }
  onConnection(): void {
    // No connection ever opens.
  }
  setAddress(peer: PeerId, address: string): void {
    this.addresses.push(`${peer} ${address}`);
  }
  setDatagrams(): void {
    // It has no second lane.
  }
  lanes(): Readonly<Record<LaneName, LaneStats>> {
    return { stream: idleLane, udp: idleLane };
  }
  want(): void {
    // No connection ever opens.
  }
}

async function start(
  verify: () => boolean = () => true,
  protocol = localOptions,
): Promise<{
  node: GossipNode;
  transport: HandTransport;
  clock: VirtualClock;
  warnings: string[];
}> {
  const id = asPeerId("a");
  const clock = new VirtualClock();
  const transport = new HandTransport();
  const warnings: string[] = [];
  const node = createGossipNode(
    {
      ...{ id, name: "a", address: "a:1", tags: {}, bootId: "0".repeat(32) },
      protocol,
    },
    {
      ...{ clock, transport, random: seededRandom(1), snapshotFile: new MemorySnapshot() },
      logger: { ...silentLogger, warn: (_, message) => warnings.push(message) },
      sign: (bytes) => testSignature(id, bytes),
      verify,
      slowness: { factor: 1 },
      isMember: () => true,
      onDoubled: () => {},
    },
  );
  await node.start(new AbortController().signal);
  return { node, transport, clock, warnings };
}

it("makes the address of a contact known before it syncs with it, and tries for ever", async () => {
  const { node, transport, clock } = await start();
  node.contact([{ id: asPeerId("b"), address: "b:7946" }]);
  assert.equal(transport.addresses, ["b b:7946"]);
  await clock.advance(60_000);
  assert.ok(transport.syncs.length > 15, `${transport.syncs.length} tries in a minute`);
  await node.stop();
});

it("makes the address of each member that it learns known to the transport", async () => {
  const { node, transport, clock } = await start();
  const lone = new LoneCore();
  const record = lone.recordOf(3, { address: "m3.example:7946" });
  transport.frame(
    asPeerId("b"),
    encodeFrame(lone.directory, [{ kind: "alive", record }]),
    "stream",
  );
  await clock.advance(1);
  assert.equal(transport.addresses, ["m3 m3.example:7946"]);
  assert.is(node.member(asPeerId("m3"))?.status, "alive");
  await node.stop();
});

it("refuses frames above the limit, whatever is in them", async () => {
  const { node, transport, warnings } = await start();
  const lone = new LoneCore();
  const alive = { kind: "alive", record: lone.recordOf(3) } as const;
  transport.frame(
    asPeerId("b"),
    encodeFrame(lone.directory, Array<Message>(20).fill(alive)),
    "stream",
  );
  assert.is(node.member(asPeerId("m3")), null);
  assert.equal(warnings, ["malformed gossip received, dropping it"]);
  await node.stop();
});

it("hears the largest frame of one that has no second lane, though it makes smaller ones itself", async () => {
  const { node, transport, warnings } = await start(() => true, {
    ...localOptions,
    frameBytes: datagramFrameMax,
  });
  const lone = new LoneCore();
  const nacks = Array.from({ length: 270 }, (_, seq) => ({ kind: "nack", seq }) as const);
  const alive = { kind: "alive", record: lone.recordOf(3) } as const;
  const room = frameBytesMax - encodeFrame(lone.directory, [alive]).length;
  const frame = [alive, ...nacks.slice(0, Math.floor(room / 5))];
  const bytes = encodeFrame(lone.directory, frame);
  assert.ok(bytes.length > datagramFrameMax && bytes.length <= frameBytesMax);
  transport.frame(asPeerId("b"), bytes, "stream");
  assert.is(node.member(asPeerId("m3"))?.status, "alive");
  assert.equal(warnings, []);
  await node.stop();
});

it("lets datagrams, which all who know the ring can seal in its name, cost a member no stream", async () => {
  const lone = new LoneCore();
  const b = asPeerId("b");
  const forged = encodeFrame(lone.directory, [{ kind: "alive", record: lone.recordOf(3) }]);
  const malformed = new Uint8Array([255]);
  const attacks = { forged: 2000, malformed: 2000, flood: 10_000 };
  for (const [attack, times] of Object.entries(attacks)) {
    let isGenuine = false;
    const { node, transport, warnings } = await start(() => isGenuine);
    const bytes = { forged, malformed, flood: encodeFrame(lone.directory, []) }[attack];
    assert.ok(bytes !== undefined);
    for (let time = 0; time < times; time += 1) transport.frame(b, bytes, "udp");
    assert.ok(warnings.length > 0, `${attack}: is said`);
    for (const text of warnings) assert.match(text, "by datagrams in the name of", attack);
    isGenuine = true;
    transport.frame(b, forged, "stream");
    assert.is(node.member(asPeerId("m3"))?.status, "alive", `${attack}: its streams are heard`);
    assert.ok(node.stats().counters.inboundFlood > 0, `${attack}: they are bounded all the same`);
    await node.stop();
  }
});

it("charges a peer for the forgeries of its stream", async () => {
  const lone = new LoneCore();
  let isGenuine = false;
  const { node, transport, warnings } = await start(() => isGenuine);
  const frame = encodeFrame(lone.directory, [{ kind: "alive", record: lone.recordOf(3) }]);
  for (let time = 0; time < 20; time += 1) transport.frame(asPeerId("b"), frame, "stream");
  isGenuine = true;
  transport.frame(asPeerId("b"), frame, "stream");
  assert.is(node.member(asPeerId("m3")), null);
  assert.equal(warnings, ["gossip with a forged signature, dropping it"]);
  await node.stop();
});

it("looks for an ack that has arrived before it judges a probe whose timer came late", async () => {
  const clock = new VirtualClock();
  const lone = new LoneCore();
  const directory = new Directory({ capacity: 10, rings: 10 }, (id) =>
    Buffer.from(`${id}--------`),
  );
  const self = directory.intern(asPeerId("m0"));
  directory.intern(asPeerId("m1"));
  const view = new MemberTable(directory);
  for (const ix of [0, 1]) {
    view.setRecord(ix, lone.recordOf(ix));
    view.setStatus(ix, Status.alive, 0);
  }
  const core = new GossipCore(
    localOptions,
    {
      ...{ directory, random: seededRandom(1), policy: { mayJoin: () => true } },
      authority: {
        seal: (body) => ({ ...lone.recordOf(0), body }),
        verify: () => true,
        sealEvent,
        verifyEvent: () => true,
      },
    },
    { now: 0, self, record: lone.recordOf(0).body, view },
  );
  let stalledMs = 0;
  const seq = (): number => lone.sent("ping")[0]?.message.seq ?? -1;
  const late = {
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs() + stalledMs,
    setTimer: (ms: number, callback: () => void) => {
      // The loop goes on after a late timer: first it reads the ack, then it runs the next timer.
      if (stalledMs > 0)
        host.post({ kind: "frame", lane: "stream", from: 1, frame: [{ kind: "ack", seq: seq() }] });
      return clock.setTimer(ms, callback);
    },
  };
  const host = new CoreHost({
    core,
    clock: late,
    outbox: lone,
    slowness: { factor: 1 },
    settled: () => {},
  });
  host.post(null);
  await clock.until("a ping is sent", () => seq() >= 0);
  stalledMs = 1000;
  await clock.advance(localOptions.probeIntervalMs);
  assert.is(core.health().score, 0);
  assert.equal(lone.events, []);
  host.stop();
});

it.run();
