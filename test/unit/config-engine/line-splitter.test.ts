import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LineSplitter, type TranscriptLine } from "../../../src/config-engine/line-splitter.ts";

const it = suite("line splitter");

function split(bytes: Buffer, cuts: readonly number[]): TranscriptLine[] {
  const splitter = new LineSplitter();
  const lines: TranscriptLine[] = [];
  const edges = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  for (const [index, from] of edges.slice(0, -1).entries()) {
    const chunk = bytes.subarray(from, edges[index + 1]);
    lines.push(...splitter.push({ offset: from, time: index, bytes: chunk }));
  }
  return [...lines, ...splitter.end()];
}

it("gives whole lines with the offset just after each", () => {
  assert.equal(split(Buffer.from("one\r\ntwo\nthree"), []), [
    { offset: 5, time: 0, text: "one" },
    { offset: 9, time: 0, text: "two" },
    { offset: 14, time: 0, text: "three" },
  ]);
});

it("gives the same lines however the stream is cut, also within a character", () => {
  const bytes = Buffer.from("zwölf\r\n→ € 😀\r\n\r\nend\r\n");
  const whole = split(bytes, []).map(({ offset, text }) => ({ offset, text }));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 8 }), (cuts) => {
      const lines = split(bytes, cuts).map(({ offset, text }) => ({ offset, text }));
      assert.equal(lines, whole);
    }),
    { numRuns: 200, seed: 3 },
  );
});

it("keeps a carriage return inside a line and drops those at its end", () => {
  assert.equal(
    split(Buffer.from("10%\r50%\r\r\n"), []).map((line) => line.text),
    ["10%\r50%"],
  );
});

it("gives a time when the line ended", () => {
  assert.is(split(Buffer.from("abc\n"), [1, 2])[0]?.time, 2);
});

it("ends a line where bytes were dropped", () => {
  const splitter = new LineSplitter();
  const first = [...splitter.push({ offset: 0, time: 0, bytes: Buffer.from("cut of") })];
  assert.equal(first, []);
  const second = [...splitter.push({ offset: 1000, time: 1, bytes: Buffer.from("f\nnext\n") })];
  assert.equal(
    second.map(({ offset, text }) => [offset, text]),
    [
      [6, "cut of"],
      [1002, "f"],
      [1007, "next"],
    ],
  );
});

it.run();
