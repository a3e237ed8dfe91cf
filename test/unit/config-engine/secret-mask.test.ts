import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SecretMask } from "../../../src/config-engine/shim/secret-mask.ts";

const it = suite("secret mask");

function mask(secrets: readonly string[], chunks: readonly string[]): string {
  const mask = new SecretMask(secrets);
  const out = chunks.map((chunk) => Buffer.from(mask.push(Buffer.from(chunk))));
  return Buffer.concat([...out, mask.end()]).toString("utf8");
}

it("replaces a value by three stars, whatever its length", () => {
  assert.is(mask(["hunter2"], ["user=hunter2;"]), "user=***;");
});

it("finds a value however the stream is cut", () => {
  const text = "before hunter2 after";
  for (let cut = 0; cut <= text.length; cut += 1) {
    assert.is(mask(["hunter2"], [text.slice(0, cut), text.slice(cut)]), "before *** after");
  }
  assert.is(mask(["hunter2"], [...text]), "before *** after");
});

it("finds a value of many lines as a terminal prints it", () => {
  assert.is(mask(["first line\nsecond"], ["<first line\r\nsecond>"]), "<***>");
});

it("finds a value that a program wrapped", () => {
  assert.is(mask(["hunter2"], ["hun\r\nter2!"]), "***!");
});

it("finds each longer line of a value of many lines, and not the common short ones", () => {
  const key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\n}\n-----END KEY-----";
  assert.is(mask([key], ["> MIIEvQIBADANBg <"]), "> *** <");
  assert.is(mask([key], ["}"]), "}");
});

it("finds a value in JSON, base64 and URL text", () => {
  const secret = 'pass"word\\1 ü';
  const base64 = Buffer.from(secret).toString("base64");
  assert.is(mask([secret], [JSON.stringify({ p: secret })]), '{"p":"***"}');
  assert.is(mask([secret], [`Basic ${base64}`]).startsWith("Basic ***"), true);
  assert.is(mask([secret], [`?p=${encodeURIComponent(secret)}&x`]), "?p=***&x");
});

it("gives overlapping and adjacent values one mask", () => {
  assert.is(mask(["abcd", "cdef"], ["<abcdef>"]), "<***>");
  assert.is(mask(["abc", "xyz"], ["abcxyz"]), "***");
});

it("masks the longer of two values that begin alike", () => {
  assert.is(mask(["abc", "abcdef"], ["abcdef abcde"]), "*** ***de");
});

it("passes a mere beginning of a value on at the end", () => {
  assert.is(mask(["hunter2"], ["the hunter"]), "the hunter");
});

it("holds nothing back that cannot become a value", () => {
  const mask = new SecretMask(["hunter2"]);
  assert.is(Buffer.from(mask.push(Buffer.from("prompt> "))).toString(), "prompt> ");
  assert.is(Buffer.from(mask.push(Buffer.from("prompt> h"))).toString(), "prompt> ");
  assert.is(Buffer.from(mask.push(Buffer.from("ello"))).toString(), "hello");
});

it("changes nothing when there are no values, or only empty ones", () => {
  assert.is(mask([], ["anything"]), "anything");
  assert.is(mask(["", "\n"], ["any\nthing"]), "any\nthing");
});

it("finds multi-byte characters that are cut in the middle", () => {
  const mask = new SecretMask(["pässwörd"]);
  const bytes = Buffer.from("(pässwörd)");
  const out = [...bytes].map((byte) => Buffer.from(mask.push(Buffer.of(byte))));
  assert.is(Buffer.concat([...out, mask.end()]).toString("utf8"), "(***)");
});

it("masks many large values in little memory and time", () => {
  const letters = (seed: number): string =>
    Array.from({ length: 64 * 1024 }, (_, i) => String.fromCharCode(97 + ((i * seed) % 26))).join(
      "",
    );
  const secrets = [3, 5, 7, 9].map(letters);
  const begun = performance.now();
  assert.is(
    mask(
      secrets,
      secrets.map((secret) => `<${secret}>`),
    ),
    "<***><***><***><***>",
  );
  assert.ok(performance.now() - begun < 5000);
});

it("never lets a value through, and changes nothing else, for any text and any cut", () => {
  const letter = fc.constantFrom("a", "b", "c");
  const text = fc.array(letter, { maxLength: 60 }).map((letters) => letters.join(""));
  const secret = fc.array(letter, { minLength: 2, maxLength: 4 }).map((some) => some.join(""));
  fc.assert(
    fc.property(
      fc.array(secret, { minLength: 1, maxLength: 3 }),
      fc.array(text),
      (secrets, parts) => {
        const whole = parts.join("");
        const hidden = new Set<number>();
        for (const value of secrets) {
          for (let at = whole.indexOf(value); at >= 0; at = whole.indexOf(value, at + 1)) {
            for (let i = 0; i < value.length; i += 1) hidden.add(at + i);
          }
        }
        let expected = "";
        for (let i = 0; i < whole.length; i += 1) {
          if (!hidden.has(i)) expected += whole[i];
          else if (!hidden.has(i - 1)) expected += "***";
        }
        return mask(secrets, parts) === expected;
      },
    ),
    { numRuns: 500, seed: 1 },
  );
});

it.run();
