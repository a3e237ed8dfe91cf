/** Noise's messages come out whole, however the network cuts them. */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { NoiseFrames } from "../../../src/p2p/noise-frames.ts";

const it = suite("noise frames");

function encode(messages: readonly Uint8Array[]): Buffer {
  const parts = messages.flatMap((message) => {
    const prefix = Buffer.alloc(2);
    prefix.writeUInt16BE(message.byteLength);
    return [prefix, message];
  });
  return Buffer.concat(parts);
}

it("gives the messages that went in, for any cuts, and no empty ones", () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }));
  const cuts = fc.array(fc.nat(), { maxLength: 20 });
  fc.assert(
    fc.property(messages, cuts, (sent, at) => {
      const bytes = encode(sent);
      const ends = [...at.map((n) => n % (bytes.byteLength + 1)), bytes.byteLength];
      const frames = new NoiseFrames();
      const got: string[] = [];
      let begin = 0;
      for (const end of ends.toSorted((a, b) => a - b)) {
        for (const frame of frames.decode(bytes.subarray(begin, end))) {
          got.push(Buffer.from(frame).toString("hex"));
        }
        begin = end;
      }
      const expected = sent.filter(({ byteLength }) => byteLength > 0);
      assert.equal(
        got,
        expected.map((message) => Buffer.from(message).toString("hex")),
      );
      assert.is(frames.buffer.byteLength, 0);
    }),
  );
});

it("keeps the largest message until it is whole", () => {
  const message = Buffer.alloc(65_535, 7);
  const bytes = encode([message]);
  const frames = new NoiseFrames();
  assert.equal([...frames.decode(bytes.subarray(0, 65_536))], []);
  assert.is(frames.buffer.byteLength, 65_536);
  const [whole] = [...frames.decode(bytes.subarray(65_536))];
  assert.ok(whole !== undefined && message.equals(whole));
});

it.run();
