import { suite } from "uvu";
import * as assert from "uvu/assert";
import { errorCode } from "../../../src/base/errors.ts";
import { newId, newUuid } from "../../../src/base/ids.ts";
import { makeJoinToken, parseJoinToken } from "../../../src/p2p/join-token.ts";

const it = suite("join token");
const clusterId = newUuid();
const tokenId = newId(1_790_000_000_000);

it("carries cluster, id and expiry, and gives both sides the same verifier", () => {
  const { token, verifier } = makeJoinToken({ clusterId, tokenId, expiresAt: 1_800_000_000_123 });
  assert.match(token, /^mst1\.[A-Za-z0-9_-]+$/);
  const expected = { clusterId, tokenId, verifier, expiresAt: 1_800_000_000_123 };
  assert.equal(parseJoinToken(token), expected);
  assert.equal(parseJoinToken(`  ${token}\n`), expected);
  assert.match(verifier, /^[0-9a-f]{64}$/);
});

it("may never expire, and is never the same twice", () => {
  const first = makeJoinToken({ clusterId, tokenId, expiresAt: null });
  const second = makeJoinToken({ clusterId, tokenId, expiresAt: null });
  assert.is(parseJoinToken(first.token).expiresAt, null);
  assert.is.not(first.token, second.token);
  assert.is.not(first.verifier, second.verifier);
});

it("does not contain its verifier", () => {
  const { token, verifier } = makeJoinToken({ clusterId, tokenId, expiresAt: null });
  const bytes = Buffer.from(token.slice(5), "base64url").toString("hex");
  assert.not.ok(bytes.includes(verifier));
});

it("refuses a token that was cut, changed or is something else, without quoting it", () => {
  const { token } = makeJoinToken({ clusterId, tokenId, expiresAt: null });
  const swapped = token.endsWith("A")
    ? `${token.slice(0, -6)}AAAAAB`
    : `${token.slice(0, -6)}AAAAAA`;
  const bad = [
    "",
    "mst1.",
    token.slice(0, -3),
    token.slice(5),
    `${token} x`,
    `mst2.${token.slice(5)}`,
  ];
  for (const text of [...bad, swapped, `mst1.${"A".repeat(5000)}`, "mst1.!!!"]) {
    try {
      parseJoinToken(text);
      assert.unreachable(text);
    } catch (error) {
      assert.is(errorCode(error), "TOKEN_MALFORMED", text);
      assert.not.ok(String(error).includes(token.slice(10, 40)));
    }
  }
});

it("is not made for a cluster or an id that it could not carry", () => {
  assert.throws(() => makeJoinToken({ clusterId: "short", tokenId, expiresAt: null }));
  assert.throws(() => makeJoinToken({ clusterId, tokenId: "a b", expiresAt: null }));
});

it.run();
