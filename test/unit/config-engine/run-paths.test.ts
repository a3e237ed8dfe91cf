import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodeRunId } from "../../../src/config-engine/run-paths.ts";

const it = suite("run folder names");

it("keeps an ordinary id readable", () => {
  assert.is(
    encodeRunId("01abc/web-1.example/base/configure/1"),
    "01abc+web-1.example+base+configure+1",
  );
});

it("leaves no way out of the folder", () => {
  assert.is(encodeRunId("../../etc"), "%2E.+..+etc");
  assert.is(encodeRunId(".."), "%2E.");
  assert.is(encodeRunId("a\0b\n"), "a%00b%0A");
});

it("gives different ids different names that fit a file system", () => {
  const long = "x".repeat(300);
  assert.is.not(encodeRunId(`${long}1`), encodeRunId(`${long}2`));
  fc.assert(
    fc.property(fc.string({ maxLength: 300, unit: "binary" }), fc.string(), (a, b) => {
      const name = encodeRunId(a);
      const distinct = a === b || name !== encodeRunId(b) || !a.isWellFormed() || !b.isWellFormed();
      return distinct && name.length <= 200 && /^[A-Za-z0-9._+%-]*$/.test(name);
    }),
    { numRuns: 300, seed: 2 },
  );
});

it.run();
