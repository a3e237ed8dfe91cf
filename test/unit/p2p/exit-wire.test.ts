/** Questions to a supervisor and its answers: signed, bounded, and never trusted when they are not. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type ExitStatement } from "../../../src/consensus/lineage/types.ts";
import {
  decodeAnswer,
  decodeQuestion,
  encodeAnswer,
  encodeQuestion,
  maxExitLineBytes,
} from "../../../src/p2p/exit-wire.ts";
import { ephemeralIdentity } from "../../../src/p2p/identity.ts";

const it = suite("exit-wire");
const asker = await ephemeralIdentity();
const host = await ephemeralIdentity();
const nonce = "0123456789abcdef0123456789abcdef";
const question = {
  ask: "statement",
  clusterId: "c1",
  node: host.peer,
  from: asker.peer,
  nonce,
} as const;
const statement: ExitStatement = {
  node: host.peer,
  nonce,
  generation: { n: 2, id: "ab" },
  voters: [host.peer, asker.peer],
  term: 7,
  lastTerm: 6,
  lastIndex: 99,
  chain: "cd",
};

it("carries a question that its asker signed", () => {
  const text = encodeQuestion(question, (bytes) => asker.sign(bytes));
  assert.equal(decodeQuestion(text), question);
  assert.equal(decodeQuestion(encodeQuestion({ ask: "gone" }, null)), { ask: "gone" });
});

it("carries a statement that its node signed", () => {
  const answer = { answer: "statement", statement } as const;
  assert.equal(decodeAnswer(encodeAnswer(answer, (bytes) => host.sign(bytes))), answer);
});

it("drops what another key signed, or was changed on the way", () => {
  const forged = encodeQuestion(question, (bytes) => host.sign(bytes));
  assert.is(decodeQuestion(forged), null, "a question in another's name");
  const lie = encodeAnswer({ answer: "statement", statement }, (bytes) => asker.sign(bytes));
  assert.is(decodeAnswer(lie), null, "a statement by another node");
  const good = encodeAnswer({ answer: "statement", statement }, (bytes) => host.sign(bytes));
  for (const [from, to] of [
    ["99", "98"],
    ['"cd"', '"ce"'],
    [nonce, nonce.replace("0", "1")],
  ] as const) {
    assert.not.equal(good.replace(from, to), good);
    assert.is(decodeAnswer(good.replace(from, to)), null, `${from} became ${to}`);
  }
});

it("takes no line that is torn, foreign or too long", () => {
  const text = encodeQuestion(question, (bytes) => asker.sign(bytes));
  for (let end = 0; end < text.length - 1; end += 7) {
    assert.is(decodeQuestion(text.slice(0, end)), null);
    assert.is(decodeAnswer(text.slice(0, end)), null);
  }
  const long = JSON.stringify({
    protocol: "muster-exit/1",
    ask: "gone",
    x: "y".repeat(maxExitLineBytes),
  });
  assert.is(decodeQuestion(long), null);
  for (const odd of [
    "null",
    "[]",
    "{}",
    '{"protocol":"muster-exit/2","ask":"gone"}',
    "\u0013/multistream/1.0.0",
  ]) {
    assert.is(decodeQuestion(odd), null, odd);
    assert.is(decodeAnswer(odd), null, odd);
  }
});

it.run();
