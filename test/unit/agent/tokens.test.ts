/** API tokens: who is let in, and that every refusal looks the same; join tokens and the join authority. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createJoinAuthority } from "../../../src/agent/join-authority.ts";
import {
  authenticateToken,
  newApiToken,
  newJoinToken,
  rememberingTokens,
} from "../../../src/agent/tokens.ts";
import { AgentError, errorCode } from "../../../src/base/errors.ts";
import { parseJoinToken } from "../../../src/p2p/join-token.ts";
import { cluster, type Inventory, peer, start, tokenCreate } from "../../support/inventory.ts";

const it = suite("agent tokens");

function withToken(parts: Parameters<typeof tokenCreate>[0] = {}): {
  readonly inventory: Inventory;
  readonly token: string;
} {
  const inventory = cluster("n1");
  const { token, verifier } = newApiToken("tok");
  inventory.ok(tokenCreate({ id: "tok", kind: "api", role: "admin", verifier, ...parts }));
  return { inventory, token };
}

it("lets the holder of an API token in, with the token's role", () => {
  const { inventory, token } = withToken();
  const caller = authenticateToken(inventory.view, token, start);
  assert.equal(caller, { actor: "token:tok", role: "admin" });
});

it("gives a reader no more than the role of its token", () => {
  const { inventory, token } = withToken({ role: "reader" });
  assert.is(authenticateToken(inventory.view, token, start)?.role, "reader");
});

it("refuses a wrong secret, an unknown id, another prefix and any other shape", () => {
  const { inventory, token } = withToken();
  const [prefix = "", id = "", secret = ""] = token.split(".");
  const wrong = [
    "",
    ".",
    "..",
    "Bearer",
    token.slice(0, -1),
    `${token}x`,
    `${token}.more`,
    `${prefix}.${id}.`,
    `${prefix}.${id}`,
    `${prefix}.other.${secret}`,
    `${prefix}.__proto__.${secret}`,
    `mapi2.${id}.${secret}`,
    newApiToken("tok").token,
  ];
  for (const text of wrong) assert.is(authenticateToken(inventory.view, text, start), null, text);
});

it("refuses an unknown token whose secret is empty, though nothing is what unknown ones compare with", () => {
  const { inventory } = withToken();
  assert.is(authenticateToken(inventory.view, "mapi1.nobody.", start), null);
});

it("refuses a revoked token at once", () => {
  const { inventory, token } = withToken();
  inventory.ok({ type: "token.revoke", id: "tok" });
  assert.is(authenticateToken(inventory.view, token, start), null);
});

it("refuses a token from the moment it expires", () => {
  const { inventory, token } = withToken({ ttlMs: 1000 });
  const expiresAt = inventory.view.token("tok")?.expiresAt ?? 0;
  assert.ok(expiresAt > 0);
  assert.is.not(authenticateToken(inventory.view, token, expiresAt - 1), null);
  assert.is(authenticateToken(inventory.view, token, expiresAt), null);
});

it("remembers a good token no longer than its record stands: revoked, expired or replaced, it is out", () => {
  const { inventory, token } = withToken({ ttlMs: 1000 });
  const expiresAt = inventory.view.token("tok")?.expiresAt ?? 0;
  const authenticate = rememberingTokens(inventory.view);
  const first = authenticate(token, start);
  assert.equal(first, { actor: "token:tok", role: "admin" });
  assert.is(authenticate(token, start), first, "the second time without a digest");
  assert.is(authenticate(token, expiresAt), null);
  assert.is.not(authenticate(token, expiresAt - 1), null);
  inventory.ok({ type: "token.revoke", id: "tok" });
  assert.is(authenticate(token, start), null);
});

it("remembers no token that was refused", () => {
  const { inventory, token } = withToken();
  const authenticate = rememberingTokens(inventory.view);
  const wrong = `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`;
  assert.is(authenticate(wrong, start), null);
  assert.is.not(authenticate(token, start), null);
  assert.is(authenticate(wrong, start), null);
});

it("refuses a join token as a key to the API", () => {
  const { inventory, token } = withToken({ kind: "join", role: null });
  assert.is(authenticateToken(inventory.view, token, start), null);
});

it("keeps of an API token its digest only, and makes no two alike", () => {
  const one = newApiToken("a");
  const two = newApiToken("a");
  assert.is.not(one.token, two.token);
  assert.match(one.verifier, /^[0-9a-f]{64}$/);
  assert.not.ok(one.token.includes(one.verifier));
  assert.ok((one.token.split(".")[2]?.length ?? 0) >= 43, "256 bits");
});

it("puts cluster and id into a join token", () => {
  const id = "7e940f91a9733b347bcfe716d9f54ec4";
  const { token } = newJoinToken("tok", id);
  const parsed = parseJoinToken(token);
  assert.is(parsed.clusterId, id);
  assert.is(parsed.tokenId, "tok");
});

const generation = () => ({ n: 1, id: "0".repeat(32) });
const request = { peer: peer("n9"), name: "n9", address: "10.0.0.9:1", tokenId: "t" };

const notAsked = () => Promise.reject(new Error("not asked"));

it("proves join tokens only, and none before this agent has joined", async () => {
  const { inventory } = withToken();
  let barriers = 0;
  const authority = createJoinAuthority({
    view: inventory.view,
    clusterId: () => null,
    generation,
    readBarrier: async () => {
      barriers += 1;
    },
    submit: notAsked,
  });
  assert.is(authority.clusterId(), null);
  assert.is(await authority.verifierOf("tok"), null, "an API token");
  assert.equal(await authority.verifierOf("t"), { verifier: "ab".repeat(32) });
  assert.is(barriers, 0, "a token that is known costs the leader nothing");
  assert.is(await authority.verifierOf("none"), null);
  assert.is(barriers, 1);
});

it("knows a token that this replica has yet to hear of, and says when that cannot be told", async () => {
  const inventory = cluster("n1", "n2");
  let barrier = async (): Promise<void> => {
    inventory.ok(tokenCreate({ id: "new", kind: "join", verifier: "cd".repeat(32) }));
  };
  const authority = createJoinAuthority({
    view: inventory.view,
    clusterId: () => "c",
    generation,
    readBarrier: () => barrier(),
    submit: notAsked,
  });
  assert.equal(await authority.verifierOf("new"), { verifier: "cd".repeat(32) });
  barrier = () => Promise.reject(new AgentError("NO_LEADER", "nobody leads"));
  const error: unknown = await authority.verifierOf("other").catch((e) => e);
  assert.is(errorCode(error), "NO_LEADER");
  assert.match(String(error), "nobody leads");
});

it("admits through the inventory, and names the other members to the one who joined", async () => {
  const inventory = cluster("n1", "n2");
  const submit = async (command: Parameters<Inventory["send"]>[0]) => inventory.send(command);
  const authority = createJoinAuthority({
    view: inventory.view,
    clusterId: () => "c",
    generation,
    readBarrier: notAsked,
    submit,
  });
  const answer = await authority.admit(request);
  assert.is(answer.clusterId, "cluster-1");
  assert.is(answer.nodeName, "n9");
  assert.equal(answer.members.map(({ id }) => id).sort(), [peer("n1"), peer("n2")]);
  const again = await authority.admit({ ...request, peer: peer("other") });
  assert.is(again.nodeName, "n9-2", "a name that is taken gets a suffix");
});

it("refuses with the inventory's own code, and names no evicted member", async () => {
  const inventory = cluster("n1", "n2");
  inventory.ok({ type: "node.forget", node: "n2", force: true });
  const submit = async (command: Parameters<Inventory["send"]>[0]) => inventory.send(command);
  const authority = createJoinAuthority({
    view: inventory.view,
    clusterId: () => "c",
    generation,
    readBarrier: notAsked,
    submit,
  });
  const evicted = authority.admit({ ...request, peer: peer("n2"), name: "n2" });
  assert.is(errorCode(await evicted.catch((error: unknown) => error)), "MEMBER_EVICTED");
  const unknown = authority.admit({ ...request, tokenId: "nope" });
  assert.match(errorCode(await unknown.catch((error: unknown) => error)) ?? "", /^TOKEN_/);
  assert.equal(
    (await authority.admit(request)).members.map(({ id }) => id),
    [peer("n1")],
  );
});

it("tells a member what its own replica says of it, and where in the history", () => {
  const inventory = cluster("n1", "n2", "n3");
  inventory.ok({ type: "node.forget", node: "n2", force: true });
  const evictedAt = inventory.view.appliedIndex;
  inventory.ok(tokenCreate({ id: "later" }));
  const submit = () => Promise.reject(new Error("not asked"));
  const authority = createJoinAuthority({
    ...{ view: inventory.view, clusterId: () => "c", generation, readBarrier: notAsked, submit },
  });
  const at = { generation: generation() };
  const evicted = { standing: "evicted", ...at, index: evictedAt };
  assert.equal(authority.standingOf(peer("n2")), evicted);
  const admitted = { standing: "admitted", ...at, index: inventory.view.appliedIndex };
  assert.equal(authority.standingOf(peer("n3")), admitted);
  assert.equal(authority.standingOf(peer("n9")), { standing: "unknown" });
});

it.run();
