/** What an operator sees and types when a quorum is gone, and when two sides meet again. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { time, withCli } from "../../support/cli-bench.ts";

const it = suite("cli recovery");

const conflict = {
  id: "0123456789ab",
  generation: "ab".repeat(16),
  key: "spec/n1",
  rule: "winner",
  state: "pending",
  otherSide: { roles: ["web"], vars: { port: 80 } },
  atMerge: { roles: ["web"], vars: { port: 81 } },
  inForce: { roles: ["web"], vars: { port: 81 } },
  changedSince: false,
  at: time,
  resolvedBy: null,
  resolvedAt: null,
};
const one = "/v1/operator/conflicts/0123";

it(
  "lists what waits for a decision, and says so when nothing does",
  withCli(async (bench) => {
    const gone = { ...conflict, key: "var/a", otherSide: null, inForce: { key: "a", value: 1 } };
    bench.on("GET /v1/operator/conflicts", { body: { items: [conflict, gone], next: null } });
    const { stdout, code } = await bench.run(["operator", "conflicts"]);
    assert.is(code, 0);
    assert.match(stdout, /^ID +RECORD +STATE +IN FORCE +OTHER SIDE +AGE\n/);
    assert.match(stdout, /var\/a +pending +1 +\(deleted\)/);
    assert.equal(bench.asked[0]?.query, { state: "pending", limit: "1000" });
    const ruled = { ...conflict, key: "node/n1", state: "superseded", resolvedBy: "merge" };
    const items = [{ ...ruled, inForce: null }];
    bench.on("GET /v1/operator/conflicts", { body: { items, next: null } });
    const all = await bench.run(["operator", "conflicts", "list", "--state", "all"]);
    assert.match(all.stdout, /node\/n1 +superseded +- /);
    bench.asked.length = 1;
    bench.on("GET /v1/operator/conflicts", { body: { items: [], next: null } });
    const flags = ["--state", "all", "--generation", "ab"];
    const none = await bench.run(["operator", "conflicts", "list", ...flags]);
    assert.match(none.stderr, /No conflicts/);
    assert.equal(bench.asked[1]?.query, { generation: "ab", limit: "1000" });
    const wrong = await bench.run(["operator", "conflicts", "list", "--state", "odd"]);
    assert.is(wrong.code, 2);
  }),
);

it(
  "shows only the fields that differ, and what to type next",
  withCli(async (bench) => {
    bench.on(`GET ${one}`, { body: conflict });
    const { stdout } = await bench.run(["operator", "conflicts", "show", "0123"]);
    assert.match(stdout, /FIELD +IN FORCE +OTHER SIDE\nvars\.port +81 +80\n/);
    assert.not.match(stdout, /roles/);
    assert.match(stdout, /muster operator conflicts apply 0123456789ab/);
    bench.on(`GET ${one}`, { body: { ...conflict, changedSince: true } });
    const changed = await bench.run(["operator", "conflicts", "show", "0123"]);
    assert.match(changed.stdout, /changed since the merge/);
    assert.not.match(changed.stdout, /conflicts apply/);
    bench.on(`GET ${one}`, { body: { ...conflict, state: "applied", resolvedBy: "operator" } });
    const resolved = await bench.run(["operator", "conflicts", "show", "0123"]);
    assert.match(resolved.stdout, /applied by operator/);
    assert.match(resolved.stdout, /AT THE MERGE/);
  }),
);

it(
  "applies and discards, and ends with 5 where the record was changed since",
  withCli(async (bench) => {
    bench.on(`POST ${one}/apply`, { body: { ...conflict, state: "applied" } });
    bench.on(`POST ${one}/discard`, { body: { ...conflict, state: "discarded" } });
    const applied = await bench.run(["operator", "conflicts", "apply", "0123"]);
    assert.is(applied.stdout, "0123456789ab applied: spec/n1\n");
    const discarded = await bench.run(["operator", "conflicts", "discard", "0123"]);
    assert.is(discarded.stdout, "0123456789ab discarded: spec/n1\n");
    bench.problem(`POST ${one}/apply`, 409, { code: "CONFLICT", detail: "was changed" });
    assert.is((await bench.run(["operator", "conflicts", "apply", "0123"])).code, 5);
  }),
);

const peer = { id: "peer-n1", name: "n1" };
const plan = {
  hash: "ab".repeat(32),
  why: "2 of 3 voters are missing",
  kind: "forced-operator",
  parent: { n: 1, id: "11".repeat(16) },
  survivors: [peer],
  best: peer,
  lost: [
    { id: "peer-n2", name: "n2", silentMs: 41_000, proof: null },
    { id: "peer-n3", name: null, silentMs: null, proof: "fence" },
  ],
  outlived: false,
  missingAtMost: 4,
  majorityOfAll: false,
};
const generation = {
  ...{ n: 2, id: "22".repeat(16), parent: "11".repeat(16), kind: "forced-operator", forkIndex: 7 },
  ...{ members: [peer], lost: [], outlived: false, missingAtMost: 4, at: time },
};

it(
  "shows the plan with all that may be lost, then does exactly that",
  withCli(async (bench) => {
    bench.on("POST /v1/operator/recover", { body: { plan, generation: null } });
    const { stdout } = await bench.run(["operator", "recover", "--plan"]);
    assert.match(stdout, /survivors +n1\n/);
    assert.match(
      stdout,
      /lost +n2: silent for 41 s\n +peer-n3: never heard, certainly gone \(fence\)/,
    );
    assert.match(stdout, /at most 4 acknowledged entries; no survivor saw the others disappear/);
    assert.match(stdout, /if they are alive elsewhere, both sides will take writes/);
    assert.ok(stdout.includes(`muster operator recover --confirm ${plan.hash}`));
    assert.equal(bench.asked[0]?.body, { plan: true });
    const proven = { ...plan, kind: "forced-proof" };
    bench.on("POST /v1/operator/recover", { body: { plan: proven, generation: null } });
    const safe = (await bench.run(["operator", "recover", "--plan"])).stdout;
    assert.match(safe, /writes go on as usual/);
    assert.not.match(safe, /both sides|survivor;/);
    bench.on("POST /v1/operator/recover", { body: { plan: null, generation } });
    const done = await bench.run(["operator", "recover", "--confirm", plan.hash]);
    assert.match(done.stdout, /generation 2 \(22222222\) began with n1/);
    assert.equal(bench.asked[2]?.body, { confirm: plan.hash });
  }),
);

it(
  "changes nothing without a plan, and refuses one that is not true any more",
  withCli(async (bench) => {
    assert.is((await bench.run(["operator", "recover"])).code, 2);
    const both = ["operator", "recover", "--plan", "--confirm", plan.hash];
    assert.is((await bench.run(both)).code, 2);
    assert.equal(bench.asked, []);
    bench.problem("POST /v1/operator/recover", 409, { code: "PLAN_CHANGED", detail: "changed" });
    assert.is((await bench.run(["operator", "recover", "--confirm", plan.hash])).code, 5);
  }),
);

it.run();
