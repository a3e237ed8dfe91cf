import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  chainHolds,
  chainOrigin,
  decodeFrame,
  encodeFrame,
} from "../../../../src/consensus/storage/frame.ts";
import { seal, unseal } from "../../../../src/consensus/storage/sealed.ts";
import { command, commands, shown } from "../../../support/entries.ts";

const it = suite("frame");
const origin = chainOrigin;

it("gives back its entries and its place in the chain", () => {
  const entries = [
    ...commands(7, 9, 2),
    { index: 10, term: 2 ** 40, type: 0, data: Buffer.alloc(0) } as const,
  ];
  const { bytes, chain } = encodeFrame(entries, origin);
  const frame = decodeFrame(bytes);
  assert.is(frame?.first, 7);
  assert.is(frame?.chainBefore, origin);
  assert.is(frame?.chain, chain);
  assert.equal(shown(frame?.entries ?? null), shown(entries));
  assert.ok(frame !== null && chainHolds(frame));
});

it("shows every flipped bit", () => {
  const { bytes } = encodeFrame(commands(1, 2, 1), origin);
  for (let bit = 0; bit < bytes.byteLength * 8; bit += 1) {
    const damaged = Buffer.from(bytes);
    const at = bit >> 3;
    if (at === 3) continue; // reserved
    damaged[at] = (damaged[at] ?? 0) ^ (1 << (bit & 7));
    assert.is(decodeFrame(damaged), null, `bit ${bit}`);
  }
});

it("shows every cut", () => {
  const { bytes } = encodeFrame(commands(1, 2, 1), origin);
  for (let length = 0; length < bytes.byteLength; length += 1) {
    assert.is(decodeFrame(bytes.subarray(0, length)), null);
  }
});

it("chains entries the same however they are grouped", () => {
  const whole = encodeFrame(commands(1, 6, 1), origin).chain;
  const half = encodeFrame(commands(1, 4, 1), origin).chain;
  assert.is(encodeFrame(commands(5, 6, 1), half).chain, whole);
});

it("chains what differs in term, type, data or history differently", () => {
  const one = command(1, 1);
  const variants = [
    one,
    { ...one, term: 2 },
    { ...one, type: 4 as const },
    { ...one, data: Buffer.from("other") },
  ];
  const chains = variants.map((entry) => encodeFrame([entry], origin).chain);
  chains.push(encodeFrame([one], "0".repeat(32)).chain);
  assert.is(new Set(chains).size, 5);
});

it("seals small records against every flipped bit", () => {
  const record = seal([1, "two", null, [3]]);
  assert.equal(unseal(record), [1, "two", null, [3]]);
  for (let at = 0; at < record.byteLength; at += 1) {
    const damaged = Buffer.from(record);
    damaged[at] = (damaged[at] ?? 0) ^ 0x20;
    assert.is(unseal(damaged), undefined);
  }
  assert.is(unseal(Buffer.alloc(0)), undefined);
});

it.run();
