/** The verbs that change records: the request each makes, and what it says. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { job, node, time, withCli } from "../../support/cli-bench.ts";

const it = suite("cli changes");
const etag = { etag: '"5"' };

it(
  "sets labels as texts and removes them with KEY-",
  withCli(async (cli) => {
    cli.on("PATCH /v1/nodes/n1", { body: node("n1", { labels: { rack: "1" } }) });
    const { stdout } = await cli.run(["nodes", "label", "n1", "rack=1", "a=b=c", "disk-"]);
    assert.equal(cli.request("PATCH", "/v1/nodes/n1").body, {
      labels: { rack: "1", a: "b=c", disk: null },
    });
    assert.is(stdout, "n1: rack=1\n");
    assert.is((await cli.run(["nodes", "label", "n1", "rack"])).code, 2);
  }),
);

it(
  "adds and removes roles on condition that nobody changed the node meanwhile",
  withCli(async (cli) => {
    cli.on("GET /v1/nodes/n1", { body: node("n1", { roles: ["base", "db"] }), headers: etag });
    cli.on("PATCH /v1/nodes/n1", {
      body: node("n1", { roles: ["base", "web"], phase: "commissioned" }),
    });
    const { stdout, stderr } = await cli.run(["nodes", "role", "n1", "+web", "db-"]);
    const { body, headers } = cli.request("PATCH", "/v1/nodes/n1");
    assert.equal(body, { roles: ["base", "web"] });
    assert.is(headers["if-match"], '"5"');
    assert.is(stdout, "n1: base,web\n");
    assert.match(stderr, /muster upgrade n1/);
    await cli.run(["nodes", "role", "n1", "--set", "a, b,a"]);
    assert.equal(cli.asked.at(-1)?.body, { roles: ["a", "b"] });
    await cli.run(["nodes", "role", "n1", "--set", ""]);
    assert.equal(cli.asked.at(-1)?.body, { roles: [] });
    assert.is((await cli.run(["nodes", "role", "n1", "web", "--set", "x"])).code, 2);
    assert.is((await cli.run(["nodes", "role", "n1"])).stdout, "n1: base,db\n");
  }),
);

it(
  "sets and shows the vars of a node",
  withCli(async (cli) => {
    cli.on("PATCH /v1/nodes/n1", { body: node("n1", { vars: { port: 80, list: [1] } }) });
    cli.on("GET /v1/nodes/n1", { body: node("n1") });
    const { stdout } = await cli.run(["nodes", "vars", "n1", "port=80", "old-"]);
    assert.equal(cli.request("PATCH", "/v1/nodes/n1").body, { vars: { port: 80, old: null } });
    assert.is(stdout, "port=80\nlist=[1]\n");
    assert.match((await cli.run(["nodes", "vars", "n1"])).stderr, /No variables for node n1/);
  }),
);

it(
  "forgets a node, with --force when told so",
  withCli(async (cli) => {
    cli.on("DELETE /v1/nodes/n1", { status: 204 });
    assert.is((await cli.run(["nodes", "forget", "n1"])).stdout, "n1 forgotten\n");
    await cli.run(["nodes", "forget", "n1", "--force"]);
    assert.equal(
      cli.asked.map(({ query }) => query),
      [{}, { force: "true" }],
    );
  }),
);

it(
  "sets global vars in one patch: JSON where it reads as JSON and survives, else a text",
  withCli(async (cli) => {
    const texts = [
      "n=80",
      "t=true",
      'o={"a":[1]}',
      "v=1.10",
      "big=12345678901234567890",
      "e=1e5",
      "s=a b",
      "x=",
      "old-",
      "__proto__=1",
      "z=null",
    ];
    cli.on("PATCH /v1/vars", { body: { vars: {}, versions: {} } });
    const { stdout } = await cli.run(["vars", "set", ...texts]);
    const { body, headers } = cli.request("PATCH", "/v1/vars");
    const expected = JSON.parse(
      `{"n":80,"t":true,"o":{"a":[1]},"v":"1.10","big":"12345678901234567890","e":"1e5","s":"a b","x":"","__proto__":1,"z":null,"old":null}`,
    ) as object;
    assert.equal(Object.entries(body as object).sort(), Object.entries(expected).sort());
    assert.is(headers["content-type"], "application/merge-patch+json");
    assert.is(stdout, "9 set, 2 removed for all nodes\n");
  }),
);

it(
  "takes vars from a file, so that a secret is in no argument",
  withCli(async (cli) => {
    const file = path.join(cli.folder, "secret.yaml");
    await writeFile(file, "db_password: hunter2\nport: 1\n");
    cli.on("PATCH /v1/vars", { body: { vars: {}, versions: {} } });
    const { stdout, stderr } = await cli.run(["vars", "set", "--file", file, "port=2"]);
    assert.equal(cli.request("PATCH", "/v1/vars").body, { db_password: "hunter2", port: 2 });
    assert.not.match(stdout + stderr, /hunter2/);
    for (const content of ["- a\n- b\n", "", "a: [", "a: &x 1\nb: *x\n"]) {
      await writeFile(file, content);
      assert.is((await cli.run(["vars", "set", "--file", file])).code, 2, content);
    }
    assert.is((await cli.run(["vars", "set"])).code, 2);
  }),
);

it(
  "refuses numbers that JSON would make null of, and asks the agent nothing",
  withCli(async (cli) => {
    const file = path.join(cli.folder, "huge.yaml");
    await writeFile(file, "limit: .inf\n");
    for (const source of [["--file", file], ['a={"b":[1e999]}']]) {
      const { code, stderr } = await cli.run(["vars", "set", ...source]);
      assert.is(code, 2);
      assert.match(stderr, /JSON cannot hold.*as a text/);
    }
    assert.equal(cli.asked, []);
  }),
);

it(
  "sets and unsets the vars of a role and of a node; naming both is an error",
  withCli(async (cli) => {
    const role = { name: "web", vars: { a: 1, b: 2 }, members: [], definition: null };
    cli.on("GET /v1/roles/web", { body: role, headers: etag });
    cli.on("PUT /v1/roles/web", { body: role });
    await cli.run(["vars", "set", "--role", "web", "b=3"]);
    assert.equal(cli.request("PUT", "/v1/roles/web").body, { vars: { a: 1, b: 3 } });
    assert.is(cli.request("PUT", "/v1/roles/web").headers["if-match"], '"5"');
    await cli.run(["roles", "set", "web", "a-", "c=x"]);
    assert.equal(cli.asked.at(-1)?.body, { vars: { b: 2, c: "x" } });
    cli.on("PATCH /v1/nodes/n1", { body: node("n1") });
    await cli.run(["vars", "unset", "--node", "n1", "a", "b"]);
    assert.equal(cli.asked.at(-1)?.body, { vars: { a: null, b: null } });
    for (const verb of [["set", "a=1"], ["unset", "a"], ["get"]]) {
      const both = await cli.run(["vars", ...verb, "--node", "n1", "--role", "web"]);
      assert.is(both.code, 2);
      assert.match(both.stderr, /--node or --role, not both/);
    }
  }),
);

it(
  "gets all vars of a level, or the bare value of one; one that is not there ends with 4",
  withCli(async (cli) => {
    cli.on("GET /v1/vars", { body: { vars: { a: "x", o: { k: 1 } }, versions: {} } });
    cli.on("GET /v1/vars/a", { body: { key: "a", value: "x", version: 3 } });
    cli.on("GET /v1/nodes/n1", { body: node("n1", { vars: { a: "y" } }) });
    assert.is((await cli.run(["vars"])).stdout, 'a=x\no={"k":1}\n');
    assert.is((await cli.run(["vars", "get", "a"])).stdout, "x\n");
    assert.is((await cli.run(["vars", "get", "a", "--node", "n1"])).stdout, "y\n");
    assert.is((await cli.run(["vars", "get", "-o", "name"])).stdout, "a\no\n");
    assert.is((await cli.run(["vars", "get", "b", "--node", "n1"])).code, 4);
    assert.is((await cli.run(["vars", "get", "b"])).code, 4);
  }),
);

it(
  "changes nested settings and shows what is in force now",
  withCli(async (cli) => {
    const settings = { autoCommission: { selector: "rack=r1", roles: ["a", "b"] }, repair: "auto" };
    cli.on("PATCH /v1/settings", { body: { settings, version: 2 } });
    cli.on("GET /v1/settings", { body: { settings, version: 2 } });
    const texts = ["autoCommission.selector=rack=r1", "autoCommission.roles=a, b", "repair=auto"];
    const { stdout } = await cli.run(["settings", "set", ...texts]);
    assert.equal(cli.request("PATCH", "/v1/settings").body, settings);
    assert.match(stdout, /repair=auto/);
    await cli.run(["settings", "set", "autoCommission=null"]);
    assert.equal(cli.asked.at(-1)?.body, { autoCommission: null });
    assert.is((await cli.run(["settings", "get", "autoCommission.selector"])).stdout, "rack=r1\n");
    assert.is((await cli.run(["settings", "get", "nope"])).code, 4);
    for (const bad of [["a.b.c=1"], [".a=1"], ["repair"], []]) {
      assert.is((await cli.run(["settings", "set", ...bad])).code, 2, bad.join(" "));
    }
  }),
);

it(
  "sets the repository with its ref and fetches it; a failed fetch ends with 1, an unfinished one with 124",
  withCli(async (cli) => {
    const config = (parts: object): object => ({
      source: { url: "u", ref: "r" },
      revision: null,
      roles: [],
      lastError: null,
      refreshing: false,
      version: 1,
      ...parts,
    });
    cli.on("PUT /v1/config/source", { body: config({}) });
    cli.on("POST /v1/config/refresh", { body: config({}) });
    const sources = [
      ["https://h/r.git#main", { url: "https://h/r.git", ref: "main" }],
      ["git@h:r.git", { url: "git@h:r.git" }],
      ["/srv/repo#v1", { url: "/srv/repo", ref: "v1" }],
      ["repo", { url: path.resolve("repo") }],
    ] as const;
    for (const [text, body] of sources) {
      assert.is((await cli.run(["config", "set-repo", text])).code, 0);
      assert.equal(cli.asked.at(-2)?.body, body);
    }
    for (const bad of ["", "#main", "url#"]) {
      assert.is((await cli.run(["config", "set-repo", bad])).code, 2);
    }
    const lastError = { code: "MANIFEST_INVALID", message: "muster.yaml:3: bad", at: time };
    cli.on("POST /v1/config/refresh", { body: config({ lastError }) });
    const failed = await cli.run(["config", "refresh"]);
    assert.is(failed.code, 1);
    assert.match(failed.stdout, /last error +MANIFEST_INVALID: muster\.yaml:3: bad/);
    cli.on("POST /v1/config/refresh", {
      status: 202,
      body: config({ refreshing: true, lastError }),
    });
    assert.is((await cli.run(["config", "refresh"])).code, 124);
  }),
);

it(
  "prints a new token alone on standard output, and the advice beside it",
  withCli(async (cli) => {
    cli.on("POST /v1/tokens", {
      status: 201,
      body: { id: "1mt", token: "mst1.secret", expiresAt: time },
    });
    const line = "token create --uses 3 --ttl 2h --name n9".split(" ");
    const { stdout, stderr } = await cli.run(line);
    assert.is(stdout, "mst1.secret\n");
    assert.match(stderr, /muster token revoke 1mt/);
    assert.not.match(stderr, /secret/);
    assert.equal(cli.request("POST", "/v1/tokens").body, {
      kind: "join",
      uses: 3,
      ttl: "2h",
      name: "n9",
    });
    for (const bad of [
      ["--kind", "x"],
      ["--role", "root"],
      ["--uses", "0"],
      ["--uses", "many"],
      ["-o", "x"],
    ]) {
      assert.is((await cli.run(["token", "create", ...bad])).code, 2, bad.join(" "));
    }
    assert.is(cli.asked.length, 1, "nothing is created that cannot be shown");
  }),
);

it(
  "revokes a token by unique prefix, never by a slip of the finger",
  withCli(async (cli) => {
    const items = ["1mab", "1mabcd", "1mx9"].map((id) => ({ id }));
    cli.on("GET /v1/tokens", { body: { items, next: null } });
    for (const { id } of items) cli.on(`DELETE /v1/tokens/${id}`, { status: 204 });
    assert.is((await cli.run(["token", "revoke", "1mx"])).stdout, "1mx9 revoked\n");
    assert.is(
      (await cli.run(["token", "revoke", "1mab"])).stdout,
      "1mab revoked\n",
      "a whole id wins",
    );
    const several = await cli.run(["token", "revoke", "1ma"]);
    assert.is(several.code, 2);
    assert.match(several.stderr, /1mab, 1mabcd/);
    assert.is((await cli.run(["token", "revoke", "zzz"])).code, 4);
    assert.is((await cli.run(["token", "revoke", ""])).code, 4);
    assert.is((await cli.run(["token", "revoke", "1m"])).code, 4);
  }),
);

it(
  "steers jobs, and says what they do now",
  withCli(async (cli) => {
    const said = {
      cancel: "is being cancelled: its running actions are being stopped",
      pause: "is being paused",
      resume: "goes on",
      retry: "tries again",
    };
    for (const [verb, words] of Object.entries(said)) {
      cli.on(`POST /v1/jobs/last/${verb}`, { body: job({ status: "running", endedAt: null }) });
      const { code, stdout, stderr } = await cli.run(["jobs", verb, "last"]);
      assert.is(code, 0);
      assert.is(stdout, `1m0000000000000001 ${words}\n`);
      assert.match(stderr, /muster jobs wait 1m0000000000000001/);
    }
    assert.is((await cli.run(["jobs", "cancel"])).code, 2, "never the last one by omission");
  }),
);

it(
  "hands leadership on, to a named voter or the best",
  withCli(async (cli) => {
    cli.on("POST /v1/operator/transfer", { body: { leader: { id: "p", name: "n2" } } });
    assert.is((await cli.run(["operator", "transfer", "n2"])).stdout, "leader is n2\n");
    await cli.run(["operator", "transfer"]);
    assert.equal(
      cli.asked.map(({ body }) => body),
      [{ to: "n2" }, {}],
    );
  }),
);

it.run();
