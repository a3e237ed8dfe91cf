/**
 * A machine that was a member knows the ring of keys, and seals datagrams in another member's name: they open, and cost
 * that member nothing but its datagrams. What they carry is judged as any gossip is.
 */
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { cp } from "node:fs/promises";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../src/base/clock.ts";
import { asPeerId } from "../../src/base/ids.ts";
import { EntryType } from "../../src/consensus/core/types.ts";
import { bootstrapLineage } from "../../src/consensus/lineage/generation.ts";
import { defaultLevelLogOptions, LevelLogStore } from "../../src/consensus/storage/level-log.ts";
import { Directory } from "../../src/gossip/core/directory.ts";
import { type Message } from "../../src/gossip/core/types.ts";
import { encodeFrame } from "../../src/gossip/wire/frame-codec.ts";
import { encodeRecordBody } from "../../src/gossip/wire/record-codec.ts";
import { decodeEnvelope } from "../../src/inventory/codec.ts";
import { Envelopes } from "../../src/p2p/datagram-envelope.ts";
import { type RingKey } from "../../src/p2p/key-ring.ts";
import { type TestAgent, TestCluster } from "../support/agents.ts";
import { until } from "../support/until.ts";

const it = suite("e2e/forged-datagrams");
const deadlineMs = 30_000;

interface Member {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly bootId: string;
  readonly incarnation: number;
  readonly address: string;
  readonly tags: Readonly<Record<string, string>>;
}

async function member(agent: TestAgent, name: string): Promise<Member> {
  const members = await agent.get<readonly Member[]>("/v1/members");
  const found = members.find((other) => other.name === name);
  if (found === undefined) throw new Error(`${agent.name} does not know ${name}`);
  return found;
}

async function clusterIdOf(agent: TestAgent): Promise<string> {
  const status = await agent.get<{ readonly cluster: { readonly id: string } }>("/v1/status");
  return status.cluster.id;
}

/** What an evicted machine keeps: the keys, in a log that only its own user can read. */
async function keysIn(agent: TestAgent, clusterId: string): Promise<readonly RingKey[]> {
  const directory = path.join(agent.dataDir, "..", "stolen");
  await cp(path.join(agent.dataDir, "raft"), directory, { recursive: true });
  const log = new LevelLogStore({ ...defaultLevelLogOptions, directory }, { clock: systemClock });
  try {
    await log.open({ bootstrap: null, lineage: bootstrapLineage(clusterId) });
    const keys: RingKey[] = [];
    for (const { type, data } of (await log.read(1, 64 << 20)) ?? []) {
      const decoded = type === EntryType.command ? decodeEnvelope(data) : null;
      if (decoded?.ok !== true || decoded.envelope.command.type !== "keyring.change") continue;
      const { key, secret } = decoded.envelope.command;
      if (secret !== null) keys.push({ id: key, secret: Buffer.from(secret, "hex") });
    }
    return keys.slice(0, 1);
  } finally {
    await log.close();
  }
}

const directory = new Directory({ capacity: 8, rings: 1 }, (id) =>
  createHash("sha256").update(id).digest().subarray(0, 8),
);

/** Speaks to `victim` as `name`. */
class Impostor implements Disposable {
  readonly #socket: Socket;
  readonly #port: number;
  readonly #seal: (frame: Uint8Array) => Uint8Array | null;

  constructor(port: number, seal: (frame: Uint8Array) => Uint8Array | null) {
    this.#socket = createSocket("udp4");
    this.#port = port;
    this.#seal = seal;
  }

  send(...messages: readonly Message[]): void {
    this.sendBytes(encodeFrame(directory, messages));
  }

  sendBytes(frame: Uint8Array): void {
    const datagram = this.#seal(frame);
    assert.ok(datagram !== null);
    if (datagram !== null) this.#socket.send(datagram, this.#port, "127.0.0.1");
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

it("lets nobody be lost, or told about, by datagrams that were sealed in another's name", async () => {
  await using cluster = await TestCluster.start({ size: 3 });
  const [victim, honest, thief] = [cluster.agent(0), cluster.agent(1), cluster.agent(2)];
  await until({ what: "all take datagrams", deadlineMs }, async () => {
    const keys = await victim.get<{ readonly members: number }>("/v1/operator/keys");
    return keys.members === 3;
  });
  const clusterId = await clusterIdOf(victim);
  await thief.kill("SIGKILL");
  const keys = await keysIn(thief, clusterId);
  assert.is(keys.length, 1, "the ring is in the log");
  const [target, named] = [await member(victim, victim.name), await member(victim, honest.name)];
  const { id: self, bootId } = named;
  const envelopes = new Envelopes({ self: asPeerId(self), bootId, clusterId });
  envelopes.setRing({ keys, sealing: keys[0]?.id ?? 0 });
  envelopes.setPeer(asPeerId(target.id), target.bootId);
  using impostor = new Impostor(victim.port, (frame) => envelopes.seal(asPeerId(target.id), frame));

  const said = (text: string): (() => boolean) => {
    return () => victim.log().includes(`${text} by datagrams in the name of a member`);
  };
  // Each is sent until it is seen: the member's own datagrams take numbers too, and one number opens once.
  const malformed = said("malformed gossip received");
  await until({ what: "malformed ones are named", deadlineMs }, () => {
    impostor.sendBytes(Uint8Array.from([9, 9, 9]));
    return malformed();
  });

  const evil = {
    ...{ id: asPeerId(self), name: honest.name, bootId, incarnation: named.incarnation + 10 },
    ...{ address: "10.66.66.66:1", tags: { zone: "evil" }, datagrams: "none" as const },
    ...{ protocolMin: 1, protocolMax: 1, leaving: true, degraded: false },
  };
  const bytes = encodeRecordBody(evil);
  const { privateKey } = generateKeyPairSync("ed25519");
  const record = { body: evil, bytes, signature: sign(null, bytes, privateKey) };
  const forged = said("gossip with a forged signature");
  await until({ what: "forged ones are named", deadlineMs }, () => {
    impostor.send({ kind: "alive", record });
    return forged();
  });

  const [about, from] = [directory.intern(asPeerId(self)), directory.intern(asPeerId(target.id))];
  const accuse = (): void => {
    for (const [kind, ahead] of [
      ["failed", 1000],
      ["suspect", 0],
    ] as const) {
      const incarnation = named.incarnation + ahead;
      impostor.send({ kind, member: about, incarnation, from, refused: false });
    }
  };
  await until({ what: "it denies what it could have been accused of", deadlineMs }, async () => {
    accuse();
    const { status, incarnation } = await member(victim, honest.name);
    return status === "alive" && incarnation > named.incarnation;
  });

  const pings = { kind: "ping", target: from } as const;
  await until({ what: "a flood is bounded, and named", deadlineMs }, () => {
    for (let seq = 0; seq < 500; seq += 1) impostor.send({ ...pings, seq });
    return victim.log().includes("gossip beyond the budget by datagrams in the name of a member");
  });

  const told = await honest.cli(["event", "deploy", "still heard"]);
  assert.is(told.code, 0, told.stderr);
  await until({ what: "its streams are heard", deadlineMs }, async () => {
    return (await victim.api("GET", "/v1/user-events")).text.includes("still heard");
  });
  const after = await member(victim, honest.name);
  assert.equal(
    [after.status, after.address, after.tags["zone"]],
    ["alive", named.address, undefined],
  );
  const lost = victim
    .log()
    .split("\n")
    .filter((line) => /"member (failed|left)"/.test(line) && !line.includes(`"${thief.name}"`));
  assert.equal(lost, []);
});

it.run();
