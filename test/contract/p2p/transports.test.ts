/** What every `RaftTransport` and `GossipTransport` promises, on the twin and on real hosts. */
import { randomBytes } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { errorCode } from "../../../src/base/errors.ts";
import { type Message } from "../../../src/consensus/core/types.ts";
import { environments, gossipEnvironments, type Environment } from "../../support/mesh-pairs.ts";
import { MemorySink, slices, snapshotMeta } from "../../support/snapshots.ts";
import { until } from "../../support/until.ts";

const everyMs = 5;

function heartbeat(from: string, to: string, round: number): Message {
  return { type: "Heartbeat", from, to, term: 1, commit: 0, leaderLast: 0, round };
}

function append(ids: { from: string; to: string }, index: number, bytes: number): Message {
  const data = Buffer.alloc(bytes, index % 251);
  const entries = [{ index, term: 1, type: 1 as const, data }];
  const place = { prevIndex: index - 1, prevTerm: 1, commit: 0, leaderLast: index };
  return { type: "Append", ...ids, term: 1, ...place, entries };
}

function raftContract({ name, run }: Environment): void {
  const it = suite(`raft transport contract: ${name}`);

  it("delivers messages whole and in order, with the sender that the connection proves", () =>
    run(async ({ a, b }) => {
      const got: Message[] = [];
      b.raft.onMessages((from, messages) => {
        assert.is(from, a.id);
        got.push(...messages);
      });
      const ids = { from: a.id, to: b.id };
      const sent = Array.from({ length: 50 }, (_, i) => append(ids, i + 1, 20_000));
      for (const message of sent) assert.ok(a.raft.send(b.id, [message]));
      await until({ what: "all appends arrive", everyMs }, () => got.length === sent.length);
      assert.equal(got, sent);
    }));

  it("splits what is too much for one frame", () =>
    run(async ({ a, b }) => {
      const got: Message[] = [];
      b.raft.onMessages((_from, messages) => got.push(...messages));
      const ids = { from: a.id, to: b.id };
      const sent = Array.from({ length: 9 }, (_, i) => append(ids, i + 1, 1_000_000));
      if (name === "memory") return; // frames are a matter of the real wire
      assert.ok(a.raft.send(b.id, sent));
      await until({ what: "all appends arrive", everyMs }, () => got.length === sent.length);
      assert.equal(
        got.map((message) => message.type === "Append" && message.entries[0]?.index),
        sent.map((_, i) => i + 1),
      );
    }));

  it("drops messages that name another sender or receiver", () =>
    run(async ({ a, b }) => {
      const got: Message[] = [];
      b.raft.onMessages((_from, messages) => got.push(...messages));
      a.raft.send(b.id, [heartbeat("someone", b.id, 1), heartbeat(a.id, "other", 2)]);
      a.raft.send(b.id, [heartbeat(a.id, b.id, 3)]);
      await until({ what: "the honest one arrives", everyMs }, () => got.length > 0);
      assert.equal(got, [heartbeat(a.id, b.id, 3)]);
    }));

  it("tells of contact gained, and at once when the peer's process is gone", () =>
    run(async ({ a, b, crashB }) => {
      const seen: string[] = [];
      a.raft.onPeer((id, up, evidence) => {
        assert.is(id, b.id);
        seen.push(up ? "up" : evidence);
      });
      a.raft.setPeers([a.id, b.id]);
      b.raft.setPeers([a.id, b.id]);
      await until({ what: "contact", everyMs }, () => seen.includes("up"));
      await crashB();
      await until({ what: "loss is seen", everyMs, deadlineMs: 2_000 }, () =>
        seen.includes("closed"),
      );
    }));

  it("streams a snapshot, from the offset that the receiver has", () =>
    run(async ({ a, b }) => {
      const bytes = randomBytes(1_500_000);
      const meta = snapshotMeta(bytes);
      const sink = new MemorySink(meta, [Buffer.from(bytes.subarray(0, 500_000))]);
      const offsets: number[] = [];
      b.raft.onSnapshot((from, offered) => {
        assert.is(from, a.id);
        assert.equal(offered, meta);
        return Promise.resolve(sink);
      });
      const read = (offset: number): AsyncIterable<Uint8Array> => {
        offsets.push(offset);
        return slices(bytes, offset);
      };
      const { signal } = new AbortController();
      assert.ok(await a.raft.sendSnapshot(b.id, meta, read, signal));
      assert.equal(offsets, [500_000]);
      assert.is(sink.state, "finished");
      assert.ok(Buffer.concat(sink.chunks).equals(bytes));
    }));

  it("answers false when the receiver refuses, or what arrives is not what was announced", () =>
    run(async ({ a, b }) => {
      const bytes = randomBytes(10_000);
      const { signal } = new AbortController();
      const read = (offset: number): AsyncIterable<Uint8Array> => slices(bytes, offset);
      b.raft.onSnapshot(() => Promise.resolve(null));
      assert.not(await a.raft.sendSnapshot(b.id, snapshotMeta(bytes), read, signal));
      b.raft.onSnapshot((_from, meta) => Promise.resolve(new MemorySink(meta)));
      const wrong = { ...snapshotMeta(bytes), sha256: "0".repeat(64) };
      assert.not(await a.raft.sendSnapshot(b.id, wrong, read, signal));
    }));

  it.run();
}

function gossipContract({ name, lane, run }: Environment): void {
  const it = suite(`gossip transport contract: ${name}`);

  it("delivers frames with their proven sender and the lane they came by", () =>
    run(async ({ a, b }) => {
      const got: string[] = [];
      b.gossip.onFrame((from, frame, by) => got.push(`${from} ${by} ${Buffer.from(frame)}`));
      assert.ok(a.gossip.sendFrame(b.id, Buffer.from("one")));
      assert.ok(a.gossip.sendFrame(b.id, Buffer.from("two"), "usual"));
      await until({ what: "both frames arrive", everyMs }, () => got.length === 2);
      assert.equal(got.sort(), [`${a.id} ${lane} one`, `${a.id} ${lane} two`]);
    }));

  it("takes the other lane when asked, where there is one", () =>
    run(async ({ a, b }) => {
      const got: string[] = [];
      b.gossip.onFrame((_from, frame, by) => got.push(`${by} ${Buffer.from(frame)}`));
      assert.ok(a.gossip.sendFrame(b.id, Buffer.from("other"), "other"));
      await until({ what: "the first arrives", everyMs }, () => got.length === 1);
      assert.ok(a.gossip.sendFrame(b.id, Buffer.from("named"), "udp"));
      await until({ what: "the second arrives", everyMs }, () => got.length === 2);
      assert.equal(got, ["stream other", `${lane} named`]);
    }));

  it("carries the largest frame", () =>
    run(async ({ a, b }) => {
      const got: number[] = [];
      b.gossip.onFrame((_from, frame) => got.push(frame.byteLength));
      assert.ok(a.gossip.sendFrame(b.id, Buffer.alloc(1350)));
      await until({ what: "it arrives", everyMs }, () => got.length === 1);
      assert.equal(got, [1350]);
    }));

  it("counts what it carries", () =>
    run(async ({ a, b }) => {
      const got: number[] = [];
      b.gossip.onFrame((_from, frame) => got.push(frame.byteLength));
      for (let sent = 0; sent < 5; sent += 1) a.gossip.sendFrame(b.id, Buffer.alloc(100));
      await until({ what: "all arrive", everyMs }, () => got.length === 5);
      const [out, inward] = [a.gossip.lanes()[lane], b.gossip.lanes()[lane]];
      assert.equal([out.active, out.framesOut, inward.framesIn], [true, 5, 5]);
      assert.ok(out.bytesOut >= 500);
      assert.is(inward.bytesIn, out.bytesOut);
    }));

  it("refuses frames that are empty or too long", () =>
    run(async ({ a, b }) => {
      for (const size of [0, 1351]) {
        try {
          a.gossip.sendFrame(b.id, Buffer.alloc(size));
          assert.unreachable();
        } catch (error) {
          assert.is(errorCode(error), "FRAME_TOO_LARGE");
        }
      }
      await Promise.resolve();
    }));

  it("answers a sync, and rejects when the peer is away", () =>
    run(async ({ a, b, crashB }) => {
      b.gossip.onSync((from, request) => Buffer.from(`${from} ${Buffer.from(request).toString()}`));
      const answer = await a.gossip.sync(b.id, Buffer.from("digest"), 5_000);
      assert.is(Buffer.from(answer).toString(), `${a.id} digest`);
      await crashB();
      const code = await a.gossip.sync(b.id, Buffer.of(1), 1_000).catch(errorCode);
      assert.is(code, "PEER_UNREACHABLE");
    }));

  it("tells of connections that open and close", () =>
    run(async ({ a, b, crashB }) => {
      const seen: string[] = [];
      a.gossip.onConnection((peer, state) => {
        assert.is(peer, b.id);
        seen.push(state);
      });
      a.gossip.want([b.id]);
      await until({ what: "the connection opens", everyMs }, () => seen.includes("open"));
      await crashB();
      await until({ what: "it closes", everyMs, deadlineMs: 2_000 }, () => seen.includes("closed"));
      a.gossip.want([b.id]);
      await until({ what: "a dial is refused", everyMs }, () => seen.includes("refused"));
    }));

  it.run();
}

for (const environment of environments) raftContract(environment);
for (const environment of gossipEnvironments) gossipContract(environment);
