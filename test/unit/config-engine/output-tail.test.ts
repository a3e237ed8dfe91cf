import { suite } from "uvu";
import * as assert from "uvu/assert";
import { OutputTail } from "../../../src/config-engine/shim/output-tail.ts";

const it = suite("output tail");

function tail(...chunks: readonly string[]): string {
  const tail = new OutputTail();
  for (const chunk of chunks) tail.push(Buffer.from(chunk));
  return tail.text();
}

it("is the last twenty lines that say something", () => {
  const lines = Array.from({ length: 50 }, (_, i) => `line ${i}`);
  const text = tail(`${lines.join("\r\n\r\n")}\r\n`);
  assert.is(text, lines.slice(30).join("\n"));
});

it("is plain text: no colours, titles or bells", () => {
  assert.is(tail("\u001b[31mred\u001b[0m \u001b]0;title\u0007done\u0007\r\n"), "red done");
});

it("is what stands last on a line that was written over", () => {
  assert.is(tail("10%\r50%\r100%\r\n"), "100%");
});

it("stays small whatever comes", () => {
  assert.ok(tail("x".repeat(1_000_000), "y".repeat(10_000)).length <= 4000);
  assert.match(tail("x".repeat(1_000_000), "\nend\n"), /end$/);
});

it.run();
