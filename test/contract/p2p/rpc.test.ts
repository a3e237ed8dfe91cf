/** What every `Rpc` promises, on the twin and on real hosts. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AgentError, errorCode } from "../../../src/base/errors.ts";
import { asPeerId } from "../../../src/base/ids.ts";
import { environments, type Environment } from "../../support/mesh-pairs.ts";
import { until } from "../../support/until.ts";

const timeoutMs = 5_000;

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "resolved";
  } catch (error) {
    return errorCode(error) ?? String(error);
  }
}

function rpcContract({ name, run }: Environment): void {
  const it = suite(`rpc contract: ${name}`);

  it("carries a payload there and an answer back, bytes included", () =>
    run(async ({ a, b }) => {
      b.rpc.handle("echo", (payload, from) => Promise.resolve({ payload, from }));
      const payload = { text: "é", list: [1, null, true], bytes: Buffer.of(0, 255) };
      const answer = await a.rpc.call(b.id, "echo", payload, { timeoutMs });
      assert.equal(answer, { payload, from: a.id });
    }));

  it("answers many calls at once, each with its own answer", () =>
    run(async ({ a, b }) => {
      b.rpc.handle("double", (payload) => Promise.resolve(Number(payload) * 2));
      const calls = Array.from({ length: 500 }, (_, i) =>
        a.rpc.call(b.id, "double", i, { timeoutMs }),
      );
      assert.equal(
        await Promise.all(calls),
        calls.map((_, i) => i * 2),
      );
    }));

  it("serves both directions and both lanes", () =>
    run(async ({ a, b }) => {
      a.rpc.handle("who", () => Promise.resolve("a"));
      b.rpc.handle("who", () => Promise.resolve("b"));
      const both = [
        a.rpc.call(b.id, "who", null, { timeoutMs, lane: "bulk" }),
        b.rpc.call(a.id, "who", null, { timeoutMs }),
      ];
      assert.equal(await Promise.all(both), ["b", "a"]);
    }));

  it("gives the caller the handler's own error", () =>
    run(async ({ a, b }) => {
      b.rpc.handle("fail", () =>
        Promise.reject(new AgentError("NODE_LOCKED", 'Node "n1" is locked.', { node: "n1" })),
      );
      const error: unknown = await a.rpc.call(b.id, "fail", null, { timeoutMs }).catch((e) => e);
      assert.instance(error, AgentError);
      assert.equal(errorCode(error), "NODE_LOCKED");
      assert.equal(error instanceof AgentError && error.details, { node: "n1" });
    }));

  it("hides what a bug of the handler says", () =>
    run(async ({ a, b }) => {
      b.rpc.handle("bug", () => Promise.reject(new TypeError("secret /etc/path")));
      const error: unknown = await a.rpc.call(b.id, "bug", null, { timeoutMs }).catch((e) => e);
      assert.equal(errorCode(error), "RPC_FAILED");
      assert.not.match(String(error), "secret");
    }));

  it("refuses a method nobody handles", () =>
    run(async ({ a, b }) => {
      assert.equal(await codeOf(a.rpc.call(b.id, "nope", null, { timeoutMs })), "UNKNOWN_METHOD");
    }));

  it("gives up at the deadline and tells the handler", () =>
    run(async ({ a, b }) => {
      let aborted = false;
      b.rpc.handle("slow", async (_payload, _from, signal) => {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        aborted = true;
        return null;
      });
      b.rpc.handle("warm", () => Promise.resolve(null));
      await a.rpc.call(b.id, "warm", null, { timeoutMs });
      assert.equal(await codeOf(a.rpc.call(b.id, "slow", null, { timeoutMs: 60 })), "RPC_TIMEOUT");
      await until({ what: "the handler is aborted", everyMs: 5 }, () => aborted);
    }));

  it("passes a cancel on to the handler", () =>
    run(async ({ a, b }) => {
      const seen: string[] = [];
      b.rpc.handle("slow", async (_payload, _from, signal) => {
        seen.push("begun");
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        seen.push("aborted");
        return null;
      });
      const controller = new AbortController();
      const call = a.rpc.call(b.id, "slow", null, {
        timeoutMs: 600_000,
        signal: controller.signal,
      });
      await until({ what: "the handler runs", everyMs: 5 }, () => seen.length === 1);
      controller.abort(new AgentError("GAVE_UP", "Enough."));
      assert.equal(await codeOf(call), "GAVE_UP");
      await until({ what: "the handler is aborted", everyMs: 5 }, () => seen.length === 2);
    }));

  it("says PEER_LOST when the peer dies while it works", () =>
    run(async ({ a, b, crashB }) => {
      let begun = false;
      b.rpc.handle("slow", async (_payload, _from, signal) => {
        begun = true;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return null;
      });
      const call = codeOf(a.rpc.call(b.id, "slow", null, { timeoutMs }));
      await until({ what: "the handler runs", everyMs: 5 }, () => begun);
      await crashB();
      assert.equal(await call, "PEER_LOST");
    }));

  it("says PEER_UNREACHABLE for a peer that is not there", () =>
    run(async ({ a, b, crashB }) => {
      const nobody = asPeerId("12D3KooWJ9vBnSvVBrXvU2gq5VYdZ2XkE9Dq4iZGQVxPMmHs8H5e");
      assert.equal(await codeOf(a.rpc.call(nobody, "x", null, { timeoutMs })), "PEER_UNREACHABLE");
      await crashB();
      assert.equal(await codeOf(a.rpc.call(b.id, "x", null, { timeoutMs })), "PEER_UNREACHABLE");
    }));

  it("calls itself without sharing objects", () =>
    run(async ({ a }) => {
      const given = { list: [1] };
      a.rpc.handle("self", (payload) => {
        assert.is.not(payload, given);
        return Promise.resolve(payload);
      });
      assert.equal(await a.rpc.call(a.id, "self", given, { timeoutMs }), given);
    }));

  it.run();
}

for (const environment of environments) rpcContract(environment);
