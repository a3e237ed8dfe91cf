/**
 * A member of a real mesh turns on the others: what it sends is counted, dropped and named in the log at a bounded
 * rate, and changes nothing; when it floods, it is not listened to any more.
 */
import { createHash, randomBytes } from "node:crypto";
import { type Stream } from "@libp2p/interface";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type PeerId } from "../../../src/base/ids.ts";
import { type Logger, silentLogger } from "../../../src/base/logger.ts";
import { type CounterName } from "../../../src/gossip/core/counters.ts";
import { Directory } from "../../../src/gossip/core/directory.ts";
import { type Message, type SignedRecord } from "../../../src/gossip/core/types.ts";
import { SignatureAuthority } from "../../../src/gossip/driver/authority.ts";
import { createGossipNode } from "../../../src/gossip/driver/node.ts";
import { localOptions } from "../../../src/gossip/options.ts";
import { type GossipNode } from "../../../src/gossip/ports.ts";
import { encodeFrame } from "../../../src/gossip/wire/frame-codec.ts";
import { lengthPrefix } from "../../../src/p2p/framing.ts";
import { encodeHello } from "../../../src/p2p/hello.ts";
import { verifySignature } from "../../../src/p2p/identity.ts";
import { Protocol } from "../../../src/p2p/protocols.ts";
import { introduce, type TestNode, withMesh } from "../../support/mesh.ts";
import { until } from "../../support/until.ts";

const it = suite("p2p/gossip-abuse");
const wait = { everyMs: 5, deadlineMs: 20_000 };

interface Line {
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
}

interface World {
  /** Runs gossip, and is attacked. */
  readonly victim: GossipNode;
  readonly victimId: PeerId;
  /** Runs gossip, and is lied about. */
  readonly honest: TestNode;
  /** A member of the mesh that says whatever it likes. */
  readonly attacker: TestNode;
  /** Warnings of the victim. */
  readonly log: readonly Line[];
  readonly lost: readonly string[];
}

function gossipOf(node: TestNode, logger: Logger): GossipNode {
  const bootId = randomBytes(16).toString("hex");
  const who = { id: node.id, name: node.id.slice(-6), bootId, tags: { zone: "a" } };
  return createGossipNode(
    { ...who, address: node.host.listenAddress(), protocol: localOptions },
    {
      ...{ transport: node.gossip, clock: node.clock, random: node.random, logger },
      slowness: { factor: 1 },
      snapshotFile: { load: () => Promise.resolve(null), save: () => Promise.resolve() },
      isMember: (peer) => node.members.has(peer),
      sign: (bytes) => node.identity.sign(bytes),
      verify: verifySignature,
      onDoubled: () => undefined,
    },
  );
}

async function attacked(body: (world: World) => Promise<void>): Promise<void> {
  await withMesh(async (mesh) => {
    const log: Line[] = [];
    const lost: string[] = [];
    const warn = (data: object, text: string): void => void log.push({ text, data: { ...data } });
    const target = await mesh.stranger({ logger: { ...silentLogger, warn } });
    const [honest, attacker] = [await mesh.stranger(), await mesh.stranger()];
    introduce([target, honest, attacker]);
    const victim = gossipOf(target, target.logger);
    const other = gossipOf(honest, silentLogger);
    victim.onEvent(({ kind }) => {
      if (kind === "failed" || kind === "left") lost.push(kind);
    });
    const { signal } = new AbortController();
    await Promise.all([victim.start(signal), other.start(signal)]);
    try {
      other.contact([{ id: target.id, address: target.host.listenAddress() }]);
      await until({ what: "they know each other", ...wait }, () =>
        [victim, other].every((gossip) => gossip.members().length === 2),
      );
      await body({ victim, victimId: target.id, honest, attacker, log, lost });
      assert.equal(lost, [], "nobody was lost");
      const seen = victim.member(honest.id);
      assert.is(seen?.status, "alive");
      assert.equal(seen?.tags, { zone: "a" });
    } finally {
      await victim.stop();
      await other.stop();
    }
  });
}

/** A frame as the attacker builds it. */
function frameOf(...messages: readonly Message[]): Uint8Array {
  return encodeFrame(directory, messages);
}

const directory = new Directory({ capacity: 64, rings: 1 }, (id) =>
  createHash("sha256").update(id).digest().subarray(0, 8),
);

/** What is said of `about` in its name, signed by `signer`. */
function recordOf(
  { victim }: World,
  about: TestNode,
  lie: { readonly signer: TestNode; readonly ahead: number },
): SignedRecord {
  const known = victim.member(about.id);
  assert.ok(known !== null);
  const body = {
    ...{ id: about.id, name: "evil", address: "10.66.66.66:1", bootId: "f".repeat(32) },
    ...{ incarnation: (known?.incarnation ?? 0) + lie.ahead, tags: { zone: "evil" } },
    ...{ protocolMin: 1, protocolMax: 1, leaving: false, degraded: false },
    datagrams: "none" as const,
  };
  const { identity } = lie.signer;
  const sign = (bytes: Uint8Array): Uint8Array => identity.sign(bytes);
  return new SignatureAuthority({ sign, verify: verifySignature }).seal(body);
}

function counter({ victim }: World, name: CounterName): number {
  return victim.stats().counters[name];
}

it("believes no record of another that its author did not sign, and says who brought it", () =>
  attacked(async (world) => {
    const { attacker, honest, victimId, log } = world;
    const record = recordOf(world, honest, { signer: attacker, ahead: 10 });
    for (let time = 0; time < 12; time += 1) {
      attacker.gossip.sendFrame(victimId, frameOf({ kind: "alive", record }));
    }
    await until({ what: "forgeries are counted", ...wait }, () => {
      return counter(world, "badSignature") >= 12;
    });
    assert.equal(log, [
      {
        text: "gossip with a forged signature, dropping it",
        data: { peer: attacker.id, count: 1 },
      },
    ]);
  }));

it("takes no accusation beyond what the accused signed, and no record from before", () =>
  attacked(async (world) => {
    const { attacker, honest, victim, victimId } = world;
    const old = recordOf(world, honest, { signer: honest, ahead: -1 });
    attacker.gossip.sendFrame(victimId, frameOf({ kind: "alive", record: old }));
    const incarnation = (victim.member(honest.id)?.incarnation ?? 0) + 1000;
    const [member, from] = [directory.intern(honest.id), directory.intern(attacker.id)];
    for (const kind of ["suspect", "failed"] as const) {
      const accusation = { kind, member, incarnation, from, refused: false };
      attacker.gossip.sendFrame(victimId, frameOf(accusation));
    }
    await until({ what: "lies are counted", ...wait }, () => {
      return counter(world, "accusationsAhead") === 2;
    });
  }));

it("counts what is malformed or too long, and says so once in ten seconds", () =>
  attacked(async (world) => {
    const { attacker, victim, victimId, log } = world;
    for (let time = 0; time < 10; time += 1) {
      attacker.gossip.sendFrame(victimId, Uint8Array.from([9, 9, 9]));
    }
    await until({ what: "malformed frames are counted", ...wait }, () => {
      return counter(world, "inboundMalformed") === 10;
    });
    for (let time = 1; time <= 3; time += 1) {
      await sendTooLong(attacker, victimId);
      await until({ what: "a frame that is too long is counted", ...wait }, () => {
        return victim.stats().lanes.stream.dropped["malformed"] === time;
      });
    }
    assert.equal(
      log.map(({ text, data }) => `${text} ${data["peer"] === attacker.id}`),
      ["malformed gossip received, dropping it true", "malformed frame, stream aborted true"],
    );
  }));

async function sendTooLong(from: TestNode, to: PeerId): Promise<void> {
  const signal = new AbortController().signal;
  const stream: Stream = await from.host.openStream(to, Protocol.swim, signal);
  const hello = encodeHello(from.cluster ?? "");
  const long = new Uint8Array(4000);
  const frames = [hello, long].map((frame) => [lengthPrefix(frame.byteLength, 2), frame]);
  stream.send(Buffer.concat(frames.flat()));
}

it("stops to listen to a member that floods it, and hears the others", () =>
  attacked(async (world) => {
    const { attacker, honest, victimId, log } = world;
    const ping = { kind: "ping", target: directory.intern(victimId) } as const;
    let seq = 0;
    await until({ what: "the flood is cut off", ...wait }, () => {
      for (let sent = 0; sent < 200; sent += 1) {
        attacker.gossip.sendFrame(victimId, frameOf({ ...ping, seq: (seq += 1) }));
      }
      return log.length > 0;
    });
    assert.equal(
      log.map(({ text, data }) => `${text} ${data["peer"] === attacker.id}`),
      ["peer floods this agent with gossip, ignoring it for a minute true"],
    );
    const dropped = counter(world, "inboundFlood");
    attacker.gossip.sendFrame(victimId, frameOf({ ...ping, seq: (seq += 1) }));
    await until({ what: "nothing of it is heard any more", ...wait }, () => {
      return counter(world, "inboundFlood") > dropped;
    });
    const acked = counter(world, "probesAcked");
    await until({ what: "the others answer as before", ...wait }, () => {
      return counter(world, "probesAcked") > acked + 2;
    });
    assert.is(world.victim.member(honest.id)?.status, "alive");
  }));

it.run();
