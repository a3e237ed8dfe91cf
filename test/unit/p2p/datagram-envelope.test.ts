/** What opens a datagram, and what does not: the other end, once, with the keys of the ring. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId } from "../../../src/base/ids.ts";
import {
  datagramBytesMax,
  datagramFrameMax,
  Envelopes,
  type Opened,
} from "../../../src/p2p/datagram-envelope.ts";
import { type KeyRing } from "../../../src/p2p/key-ring.ts";
import { ReplayWindow, replayWindow } from "../../../src/p2p/replay-window.ts";

const it = suite("p2p/datagrams");

const [a, b, c] = [asPeerId("peer-a"), asPeerId("peer-b"), asPeerId("peer-c")];
const boots = { a: "a".repeat(32), b: "b".repeat(32), c: "c".repeat(32) };
const cluster = "1".repeat(32);

function ring(sealing: number, ...ids: number[]): KeyRing {
  return { sealing, keys: ids.map((id) => ({ id, secret: Buffer.alloc(32, id) })) };
}

function end(name: "a" | "b" | "c", changes: { clusterId?: string; bootId?: string } = {}) {
  const self = { a, b, c }[name];
  const envelopes = new Envelopes({ self, bootId: boots[name], clusterId: cluster, ...changes });
  envelopes.setRing(ring(1, 1));
  for (const other of ["a", "b", "c"] as const) {
    if (other !== name) envelopes.setPeer({ a, b, c }[other], boots[other]);
  }
  return envelopes;
}

function sealed(from: Envelopes, text: string, to = b): Uint8Array {
  const datagram = from.seal(to, Buffer.from(text));
  assert.ok(datagram);
  return datagram ?? Buffer.alloc(0);
}

function outcome(opened: Opened): string {
  return opened.from === null ? opened.refused : `${opened.from} ${Buffer.from(opened.frame)}`;
}

it("opens at the other end, and says whose it is", () => {
  assert.is(outcome(end("b").open(sealed(end("a"), "hello"))), "peer-a hello");
});

it("opens each datagram once, in any order", () => {
  const [from, to] = [end("a"), end("b")];
  const datagrams = ["1", "2", "3"].map((text) => sealed(from, text));
  for (const at of [2, 0, 1])
    assert.is(outcome(to.open(datagrams[at] ?? Buffer.alloc(0))), `peer-a ${at + 1}`);
  for (const datagram of datagrams) assert.is(outcome(to.open(datagram)), "replayed");
});

it("does not open at anybody else, nor for the sender itself", () => {
  const datagram = sealed(end("a"), "for b");
  assert.is(outcome(end("c").open(datagram)), "forged");
  assert.is(outcome(end("a").open(datagram)), "unknownSender");
});

it("does not open what an earlier life of either end sealed or was sent", () => {
  const old = sealed(end("a"), "old");
  const restarted = end("b", { bootId: "9".repeat(32) });
  assert.is(outcome(restarted.open(old)), "forged");
  const to = end("b");
  to.setPeer(a, "8".repeat(32));
  assert.is(outcome(to.open(old)), "forged");
});

it("names what it refuses", () => {
  const to = end("b");
  assert.is(
    outcome(to.open(sealed(end("a", { clusterId: "2".repeat(32) }), "x"))),
    "foreignCluster",
  );
  const rotated = end("a");
  rotated.setRing(ring(2, 1, 2));
  assert.is(outcome(to.open(sealed(rotated, "x"))), "unknownKey");
  to.setPeer(a, null);
  assert.is(outcome(to.open(sealed(end("a"), "x"))), "unknownSender");
  for (const bytes of [0, 1, 38, 39, 1351]) {
    assert.is(outcome(to.open(Buffer.alloc(bytes, 1))), "malformed", `${bytes} bytes`);
  }
});

it("does not open when a single bit changed, and the change shuts nobody out", () => {
  const [from, to] = [end("a"), end("b")];
  const datagram = sealed(from, "whole");
  for (let at = 0; at < datagram.length; at += 1) {
    const damaged = Uint8Array.from(datagram);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    assert.is(to.open(damaged).from, null, `byte ${at}`);
  }
  assert.is(outcome(to.open(datagram)), "peer-a whole");
});

it("rotates: opens with both keys meanwhile, and with the new one only at the end", () => {
  const [from, to] = [end("a"), end("b")];
  const before = sealed(from, "before");
  const late = sealed(from, "late");
  to.setRing(ring(1, 1, 2));
  from.setRing(ring(2, 1, 2));
  assert.is(outcome(to.open(sealed(from, "during"))), "peer-a during");
  assert.is(outcome(to.open(before)), "peer-a before");
  to.setRing(ring(2, 2));
  assert.is(outcome(to.open(late)), "unknownKey");
  from.setRing(ring(2, 2));
  assert.is(outcome(to.open(sealed(from, "after"))), "peer-a after");
});

it("keeps the counters of a member that takes no datagrams for a while", () => {
  const [from, to] = [end("a"), end("b")];
  const datagram = sealed(from, "once");
  to.open(datagram);
  to.setPeer(a, null);
  to.setPeer(a, boots.a);
  assert.is(outcome(to.open(datagram)), "replayed");
});

it("seals nothing without a key, or for whom takes none", () => {
  const from = end("a");
  from.setPeer(b, null);
  assert.is(from.seal(b, Buffer.of(1)), null);
  assert.ok(from.canSeal(c));
  from.setRing(ring(3, 1));
  assert.not(from.canSeal(c));
  assert.is(from.seal(c, Buffer.of(1)), null);
});

it("stays within the budget with the largest frame", () => {
  const datagram = end("a").seal(b, Buffer.alloc(datagramFrameMax));
  assert.is(datagram?.byteLength, datagramBytesMax);
});

it("remembers which counters it took, within its window", () => {
  const window = new ReplayWindow();
  const seen = new Set<number>();
  let highest = 0;
  for (let step = 0, at = 1; step < 20_000; step += 1) {
    at = Math.max(1, highest + ((step * 7919) % 2500) - 1900 + (step % 500 === 0 ? 5000 : 0));
    const fresh = at > highest || (highest - at < replayWindow && !seen.has(at));
    assert.is(window.isFresh(at), fresh, `counter ${at} at step ${step}`);
    if (!fresh) continue;
    window.take(at);
    seen.add(at);
    highest = Math.max(highest, at);
  }
  assert.not(window.isFresh(0));
  assert.ok(window.isFresh(2 ** 48 - 1));
});

it.run();
