import { suite } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { SseReader } from "../../../src/api/client/sse-reader.ts";
import { cursorsOf, decodeLogCursor, type NodePosition } from "../../../src/api/logs/cursor.ts";
import { LineSplitter, type TranscriptLine } from "../../../src/api/logs/line-splitter.ts";

const it = suite("api log lines");

/** Feeds `bytes` in pieces that end at `cuts`. */
function split(bytes: Buffer, cuts: readonly number[], longest?: number): TranscriptLine[] {
  const splitter = new LineSplitter(0, longest);
  const lines: TranscriptLine[] = [];
  let offset = 0;
  for (const end of [
    ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b),
    bytes.length,
  ]) {
    lines.push(...splitter.push({ offset, time: 5, bytes: bytes.subarray(offset, end) }));
    offset = end;
  }
  return [...lines, ...splitter.flush()];
}

function encode(positions: readonly NodePosition[], at = 0): string {
  return cursorsOf(positions, at)(positions[at] ?? { runs: 0, offset: 0 });
}

const texts = (lines: readonly TranscriptLine[]) => lines.map(({ text }) => text);

it("gives whole lines without the terminal's line ends", () => {
  assert.equal(texts(split(Buffer.from("a\r\n\nb\tc\r\r\nlast"), [])), ["a", "", "b\tc", "last"]);
});

it("gives the same lines wherever the bytes are cut, and offsets that cover every byte", () => {
  const line = fc.string({ unit: fc.constantFrom("a", "ä", "€", "😀", "\r", " ") });
  const cuts = fc.array(fc.nat(500), { maxLength: 20 });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 10 }), cuts, (parts, at) => {
      const bytes = Buffer.from(parts.join("\n"));
      const lines = split(bytes, at);
      assert.equal(texts(lines), texts(split(bytes, [])));
      let next = 0;
      for (const { offset, nextOffset } of lines) {
        assert.is(offset, next);
        next = nextOffset;
      }
      assert.is(next, bytes.length);
    }),
  );
});

it("goes on in the middle of a transcript as if it had read it from the start", () => {
  const bytes = Buffer.from("one\ntwo\nthree\n");
  const [, second, third] = split(bytes, []);
  assert.ok(second && third);
  const splitter = new LineSplitter(second.nextOffset);
  const chunk = { offset: second.offset, time: 5, bytes: bytes.subarray(second.offset) };
  assert.equal(splitter.push(chunk), [third]);
});

it("cuts a line that is too long between characters, and loses nothing of it", () => {
  const text = "ä€😀".repeat(50);
  const lines = split(Buffer.from(`${text}\nnext\n`), [7, 100], 64);
  assert.is(texts(lines).slice(0, -1).join(""), text);
  assert.is(lines.at(-1)?.text, "next");
  for (const { offset, nextOffset } of lines) assert.ok(nextOffset - offset <= 64);
  assert.not.match(texts(lines).join(""), /\ufffd/);
});

it("reads a line of 4 MB in small pieces in no time that grows with its square", () => {
  const splitter = new LineSplitter(0);
  const piece = Buffer.alloc(4096, "x");
  const begun = performance.now();
  for (let at = 0; at < 1000; at += 1) {
    assert.equal(splitter.push({ offset: at * 4096, time: 5, bytes: piece }), []);
  }
  assert.is(splitter.flush()[0]?.text.length, 4_096_000);
  assert.ok(performance.now() - begun < 2000);
});

it("ends a line at a hole in the transcript", () => {
  const splitter = new LineSplitter(0);
  assert.equal(splitter.push({ offset: 0, time: 5, bytes: Buffer.from("begun") }), []);
  const after = splitter.push({ offset: 100, time: 6, bytes: Buffer.from("rest\n") });
  assert.equal(
    after.map(({ offset, text }) => [offset, text]),
    [
      [0, "begun"],
      [100, "rest"],
    ],
  );
});

it("reads bytes that are not UTF-8 as replacement characters", () => {
  assert.equal(texts(split(Buffer.from([0x61, 0xff, 0x62, 0x0a]), [])), ["a\ufffdb"]);
});

it("keeps positions through a cursor, and makes it short where nodes are alike", () => {
  const position = fc.record(
    { runs: fc.nat(50), offset: fc.nat(2 ** 31 - 1) },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(position, { minLength: 1, maxLength: 30 }), fc.nat(), (positions, at) => {
      const text = encode(positions, at % positions.length);
      assert.equal(decodeLogCursor(text, positions.length), positions);
      assert.is(decodeLogCursor(text, positions.length + 1), null);
    }),
  );
  const same = Array.from({ length: 1000 }, () => ({ runs: 2, offset: 0 }));
  assert.ok(encode(same, 500).length < 24);
});

it("takes no text for a cursor that is none", () => {
  for (const text of [
    "",
    "log1.",
    "log1.0*zzzz",
    "log1.0*0",
    "log1.-1",
    "1h",
    "log2.0",
    "log1.0.x_",
  ]) {
    assert.is(decodeLogCursor(text, 1), null, text);
  }
});

it("parses server-sent events wherever the bytes are cut", () => {
  const data = "é".repeat(20);
  const text = `: hello\n\nid: 1\ndata: {"a":"${data}"}\n\nid: 2\r\nevent: end\r\ndata: {}\r\n\r\n`;
  const bytes = Buffer.from(text);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const reader = new SseReader();
    const events = [...reader.push(bytes.subarray(0, cut)), ...reader.push(bytes.subarray(cut))];
    assert.equal(events, [
      { id: "1", event: "message", data: `{"a":"${data}"}` },
      { id: "2", event: "end", data: "{}" },
    ]);
  }
});

it.run();
