import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MarkFinder } from "../../../src/config-engine/shim/mark-finder.ts";

const it = suite("mark finder");

function find(chunks: readonly string[]): { text: string; found: boolean } {
  const finder = new MarkFinder(Buffer.from("<<END>>"));
  const text = chunks.map((chunk) => finder.push(Buffer.from(chunk)).toString()).join("");
  return { text, found: finder.found };
}

it("passes on all that stands before the mark, wherever the stream is cut", () => {
  const text = "output <<EN <<END>>";
  for (let a = 0; a <= text.length; a += 1) {
    for (let b = a; b <= text.length; b += 1) {
      const seen = find([text.slice(0, a), text.slice(a, b), text.slice(b)]);
      assert.equal(seen, { text: "output <<EN ", found: true }, `cut at ${a} and ${b}`);
    }
  }
});

it("passes nothing on that comes after the mark", () => {
  assert.equal(find(["a<<END>>b", "c"]), { text: "a", found: true });
});

it("holds back only what may be the beginning of the mark", () => {
  assert.equal(find(["almost <<EN"]), { text: "almost ", found: false });
  assert.equal(find(["almost <<EN", "X"]), { text: "almost <<ENX", found: false });
});

it.run();
