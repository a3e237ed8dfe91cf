/** What is only looked at: each listing in each form, one record, streams, watching. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parse } from "yaml";
import { job, node, time, withCli } from "../../support/cli-bench.ts";

const it = suite("cli listings");
const page = (...items: object[]): { body: object } => ({ body: { items, next: null } });
const member = {
  id: "peer-n1",
  name: "n1",
  address: "10.0.0.1:7700",
  status: "alive",
  incarnation: 3,
  rttMs: 1.25,
  tags: { version: "1" },
  since: time,
  lane: "stream",
  datagrams: false,
  degraded: true,
  healthScore: 3,
  bootId: "b",
  protocol: { min: 1, max: 1 },
};
const role = {
  name: "web",
  definition: { runner: "script", requires: ["base"], actions: {}, secrets: [] },
  revision: "c0ffee",
  vars: { port: 80 },
  policy: null,
  members: ["n1"],
  version: 4,
};
const token = {
  id: "1mtoken1",
  kind: "join",
  role: null,
  name: null,
  usesLeft: 1,
  createdAt: time,
  createdBy: "operator",
  expiresAt: null,
  revokedAt: null,
  usedBy: ["n9"],
  version: 3,
};
const change = {
  at: time,
  index: 3,
  kind: "phase",
  from: "a",
  to: "b",
  by: "me",
  reason: "",
  job: null,
};
const applied = {
  run: "j/n1/web/configure/1",
  job: "j",
  role: "web",
  action: "configure",
  attempt: 1,
  revision: "c0ffee",
  outcome: "succeeded",
  exitCode: 0,
  signal: null,
  startedAt: time,
  endedAt: time,
  message: "",
  vars: {},
  varsDigest: "d",
};

const listings = [
  {
    args: ["nodes"],
    route: "GET /v1/nodes",
    item: node("n1"),
    name: "n1",
    head: /^NAME +PHASE/,
    wide: /LABELS/,
  },
  {
    args: ["jobs"],
    route: "GET /v1/jobs",
    item: job(),
    name: "1m0000000000000001",
    head: /^ID +ACTION/,
    wide: /REVISION/,
  },
  {
    args: ["roles"],
    route: "GET /v1/roles",
    item: role,
    name: "web",
    head: /^ROLE +RUNNER/,
    wide: /port=80/,
  },
  {
    args: ["token"],
    route: "GET /v1/tokens",
    item: token,
    name: "1mtoken1",
    head: /^ID +KIND/,
    wide: /USED BY/,
  },
  {
    args: ["nodes", "history", "n1"],
    route: "GET /v1/nodes/n1/history",
    item: change,
    name: "b",
    head: /^TIME +WHAT/,
    wide: /WHAT/,
  },
  {
    args: ["nodes", "ledger", "n1"],
    route: "GET /v1/nodes/n1/ledger",
    item: applied,
    name: "j/n1/web/configure/1",
    head: /^ENDED +ROLE/,
    wide: /RUN/,
  },
] as const;

for (const { args, route, item, name, head, wide } of listings) {
  it(
    `muster ${args.join(" ")} prints a table, a wide one, JSON, YAML and names`,
    withCli(async (cli) => {
      cli.on(route, page(item));
      const as = async (format: string): Promise<string> => {
        const { code, stdout, stderr } = await cli.run([...args, "-o", format]);
        assert.is(code, 0, stderr);
        return stdout;
      };
      assert.match(await as("table"), head);
      assert.match(await as("wide"), wide);
      assert.equal(JSON.parse(await as("json")), [item]);
      assert.equal(parse(await as("yaml")), [item]);
      assert.is(await as("name"), `${name}\n`);
    }),
  );

  it(
    `muster ${args.join(" ")} says so on standard error when there is nothing, and prints [] as JSON`,
    withCli(async (cli) => {
      cli.on(route, page());
      const empty = await cli.run(args);
      assert.is(empty.code, 0);
      assert.is(empty.stdout, "");
      assert.match(empty.stderr, /^N/);
      assert.is((await cli.run([...args, "-o", "json"])).stdout, "[]\n");
    }),
  );
}

it(
  "muster members prints gossip's view",
  withCli(async (cli) => {
    cli.on("GET /v1/members", { body: [member] });
    assert.match((await cli.run(["members"])).stdout, /^n1 +alive +10\.0\.0\.1:7700 +1\.3 ms$/m);
    assert.match((await cli.run(["members", "-o", "wide"])).stdout, /version=1/);
    assert.match(
      (await cli.run(["members", "-o", "wide"])).stdout,
      /3 +stream +off +degraded \(3\)/,
    );
    for (const [datagramsPass, text] of [
      [true, "passes"],
      [false, "blocked\\?"],
      [null, "-"],
      [undefined, "-"], // of an earlier agent
    ] as const) {
      cli.on("GET /v1/members", { body: [{ ...member, datagrams: true, datagramsPass }] });
      const wide = (await cli.run(["members", "-o", "wide"])).stdout;
      assert.match(wide, new RegExp(`stream +${text} +degraded`));
    }
    assert.is((await cli.run(["members", "-o", "name"])).stdout, "n1\n");
    await cli.run(["members", "--of", "n2"]);
    assert.equal(cli.asked.at(-1)?.query, { of: "n2" });
  }),
);

it(
  "reads all pages of the nodes, with the selector on each",
  withCli(async (cli) => {
    cli.on("GET /v1/nodes", ({ query }) =>
      query["cursor"] === undefined
        ? { body: { items: [node("n1")], next: "two" } }
        : { body: { items: [node("n2")], next: null } },
    );
    const { stdout } = await cli.run(["nodes", "list", "-l", "rack=r1", "-o", "name"]);
    assert.is(stdout, "n1\nn2\n");
    assert.equal(
      cli.asked.map(({ query }) => query),
      [
        { limit: "1000", selector: "rack=r1" },
        { limit: "1000", selector: "rack=r1", cursor: "two" },
      ],
    );
    assert.is((await cli.run(["nodes", "-l", " "])).code, 2);
  }),
);

it(
  "stops reading jobs at --limit, and passes filters on",
  withCli(async (cli) => {
    cli.on("GET /v1/jobs", { body: { items: [job(), job()], next: "more" } });
    await cli.run(["jobs", "list", "--limit", "2", "--status", "failed", "--node", "n1"]);
    assert.equal(cli.request("GET", "/v1/jobs").query, {
      limit: "2",
      status: "failed",
      node: "n1",
    });
    for (const limit of ["0", "-1", "x", "1.5"]) {
      assert.is((await cli.run(["jobs", "list", `--limit=${limit}`])).code, 2, limit);
    }
  }),
);

it(
  "shows one node, one job and the status in one screen",
  withCli(async (cli) => {
    const conditions = [
      { type: "Configured", status: "Drifted", reason: "DriftFound", message: "x", since: time },
    ];
    cli.on("GET /v1/nodes/n1", {
      body: node("n1", { conditions, history: [change], labels: { rack: "r1" } }),
    });
    const shown = await cli.run(["nodes", "show", "n1"]);
    assert.match(shown.stdout, /labels +rack=r1/);
    assert.match(shown.stdout, /Configured +Drifted/);
    assert.match(shown.stdout, /a -> b/);
    cli.on("GET /v1/jobs/last", { body: job({ reason: "why", blockedBy: ["x"] }) });
    assert.match((await cli.run(["jobs", "show"])).stdout, /reason +why\nblocked by +x/);
    const cluster = { id: "c1", name: "prod", generation: 2, conflicts: 0, missing: [] };
    const seen = {
      cluster,
      mode: "read-only",
      outlook: "n2 is silent for 5 s; acts in 25 s",
      ...{
        node: "n1",
        agentVersion: "1",
        leader: null,
        term: 3,
        commitIndex: 8,
        appliedIndex: 7,
        voters: [
          { id: "a", name: "n1", reachable: true },
          { id: "b", name: "n2", reachable: false },
        ],
        standbys: [],
        nodes: {
          total: 2,
          byPhase: { discovered: 2, failed: 0 },
          byReachability: { reachable: 2 },
        },
        membership: {
          uncertain: { node: "n1", reason: "MassLoss", message: "6 of 12 nodes", since: time },
          removal: { by: ["n2"], index: 812, needed: 2 },
        },
      },
    };
    cli.on("GET /v1/status", { body: seen });
    const status = await cli.run(["status"]);
    assert.match(status.stdout, /cluster +prod \(c1\), generation 2/);
    assert.match(status.stdout, /mode +read-only: .*writes are refused/);
    assert.match(status.stdout, /outlook +n2 is silent for 5 s; acts in 25 s\n/);
    assert.match(status.stdout, /n1,n2 \(unreachable\)/);
    assert.match(status.stdout, /2: discovered=2\n/);
    assert.match(status.stdout, /uncertain +losses are not reported since .*6 of 12 nodes \(n1\)/);
    assert.match(
      status.stdout,
      /removed\? +n2 says that this node was removed \(entry 812\).*token/,
    );
    assert.not.match(status.stdout, /^ *log/m);
    const log = { salvaged: "a hole behind 51", trusted: false };
    cli.on("GET /v1/status", { body: { ...seen, log } });
    const damaged = await cli.run(["status"]);
    assert.match(damaged.stdout, /log +was damaged \(a hole behind 51\).*votes again when/);
    // An agent of an earlier version says nothing of it.
    cli.on("GET /v1/status", { body: { ...seen, membership: { uncertain: null } } });
    const earlier = await cli.run(["status"]);
    assert.match(earlier.stdout, /2: discovered=2\n/);
    assert.not.match(earlier.stdout, /removed/);
    const modeWithout = async (...names: string[]): Promise<string> => {
      const missing = names.map((name) => ({ id: `peer-${name}`, name }));
      const changed = { ...cluster, conflicts: 1, missing };
      cli.on("GET /v1/status", { body: { ...seen, mode: "survivor", cluster: changed } });
      return (await cli.run(["status"])).stdout;
    };
    assert.match(await modeWithout("n2"), /mode +survivor: .* n2; .*nodes forget n2 --force\n/);
    assert.match(await modeWithout("n2", "n3"), / n2,n3; .*nodes forget NODE --force\n/);
    assert.match(await modeWithout(), /mode +survivor: all are back or forgotten/);
    assert.match(await modeWithout(), /; 1 conflict: muster operator conflicts\n/);
  }),
);

it(
  "explains a node, or else a job; a word that is neither ends with 4",
  withCli(async (cli) => {
    const reasons = [{ code: "HELD", message: "m", node: "n1", job: "1mother", since: time }];
    const why = { summary: "It waits.", reasons, nextTryAt: time };
    cli.on("GET /v1/why/job/1mj", { body: { job: "1mj", status: "queued", ...why } });
    const { stdout } = await cli.run(["why", "1mj"]);
    assert.match(stdout, /^It waits\.\nREASON.*\nHELD +n1 +1mother/);
    assert.match(stdout, new RegExp(`next try: ${time}`));
    const neither = await cli.run(["why", "zz"]);
    assert.is(neither.code, 4);
    assert.match(neither.stderr, /neither a node nor a job "zz"/);
  }),
);

const event = {
  id: "5.0@ab",
  index: 5,
  seq: 0,
  time,
  type: "node.phase",
  subject: "node/n1",
  message: "a\u001b[31mb",
  by: "me",
  data: {},
};

it(
  "prints events one a line in every form, without control characters",
  withCli(async (cli) => {
    cli.on("GET /v1/events", { lines: [event, { ...event, index: 6 }] });
    const { stdout } = await cli.run(["events", "-f", "--since", "1h"]);
    assert.is(stdout.split("\n").length, 3);
    assert.not.match(stdout, /\u001b/);
    assert.equal(cli.request("GET", "/v1/events").query, { follow: "true", since: "1h" });
    const json = (await cli.run(["events", "-o", "json"])).stdout.trim().split("\n");
    assert.equal(
      json.map((line) => JSON.parse(line)),
      [event, { ...event, index: 6 }],
    );
    assert.is((await cli.run(["events", "-o", "name"])).stdout, "node/n1\nnode/n1\n");
    assert.match((await cli.run(["events", "-o", "yaml"])).stdout, /^---\nid: 5.0@ab\nindex: 5/);
    assert.match((await cli.run(["events", "-o", "wide"])).stdout, /^5\.0@ab /);
    cli.on("GET /v1/events", { lines: [] });
    assert.match((await cli.run(["events", "--since", "1h"])).stderr, /No events since 1h/);
  }),
);

it(
  "follows events into the history that won, and says that it did",
  withCli(async (cli) => {
    const details = { generation: "ab", report: "ab", resumeAt: "4" };
    const problem = {
      code: "GENERATION_SUPERSEDED",
      detail: "Position 5.0@ab is of another history",
    };
    const superseded = { status: 409, body: { ...problem, details } };
    cli.on("GET /v1/events", ({ query }) =>
      query["since"] === "4" ? { lines: [{ ...event, index: 7 }] } : superseded,
    );
    const followed = await cli.run(["events", "-f", "--since", "5.0@ab"]);
    assert.is(followed.code, 0, followed.stderr);
    assert.match(followed.stdout, /node\.phase/);
    assert.match(followed.stderr, /another history\. Going on after 4/);
    const once = await cli.run(["events", "--since", "5.0@ab"]);
    assert.is(once.code, 5);
    assert.match(once.stderr, /GENERATION_SUPERSEDED/);
  }),
);

it(
  "tells a user event, and prints those that were heard",
  withCli(async (cli) => {
    const told = {
      ...{ id: "1m82kqwjk61dm93rrt.3", time, node: "n1", origin: "peer-n1", ltime: 9 },
      ...{ name: "deploy", payload: "web\u001b[31m 42" },
    };
    cli.on("POST /v1/user-events", { status: 202, body: told });
    const shown = await cli.run(["event", "deploy", "web 42"]);
    assert.is(shown.stdout, `${time}  deploy                 n1           web [31m 42\n`);
    assert.equal(cli.request("POST", "/v1/user-events").body, {
      name: "deploy",
      payload: "web 42",
    });
    await cli.run(["event", "reload"]);
    assert.equal(cli.asked.at(-1)?.body, { name: "reload" });
    cli.on("GET /v1/user-events", { lines: [told] });
    const { stdout } = await cli.run(["events", "--user", "-f", "--since", told.id, "-o", "wide"]);
    assert.match(stdout, /^1m82kqwjk61dm93rrt\.3 +9 +2/);
    assert.equal(cli.asked.at(-1)?.query, { follow: "true", since: told.id });
    assert.is((await cli.run(["events", "--user", "-o", "name"])).stdout, `${told.id}\n`);
    cli.on("GET /v1/user-events", { lines: [] });
    assert.match((await cli.run(["events", "--user"])).stderr, /No user events/);
    const code = "TOO_LARGE";
    cli.problem("POST /v1/user-events", 413, { code, detail: "at most 512 travel by gossip" });
    const large = await cli.run(["event", "deploy", "x".repeat(600)]);
    assert.is(large.code, 2);
    assert.match(large.stderr, /at most 512/);
  }),
);

it(
  "follows events until Ctrl-C, or until nobody reads them; neither is a failure",
  withCli(async (cli) => {
    cli.on("GET /v1/events", { lines: [event], headers: { open: "yes" } });
    for (const end of ["interrupt", "close"]) {
      const host = cli.host();
      host.stdout.once("written", () => {
        if (end === "interrupt") host.emit("SIGINT");
        else host.stdout.emit("error", Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
      });
      assert.equal((await cli.run(["events", "-f"], host)).code, 0, end);
      assert.is(host.stderr.text, "", end);
    }
  }),
);

it(
  "prints the log of a job, with node names where there are several",
  withCli(async (cli) => {
    const line = { node: "n1", run: "r", offset: 0, time, text: "hello" };
    cli.on("GET /v1/jobs/last", { body: job({ targets: ["n1", "n2"] }) });
    cli.on("GET /v1/jobs/1m0000000000000001/logs", { lines: [line, { ...line, node: "n2" }] });
    assert.is((await cli.run(["jobs", "logs"])).stdout, "n1: hello\nn2: hello\n");
    assert.is((await cli.run(["jobs", "logs", "--node", "n1"])).stdout, "hello\nhello\n");
    await cli.run(["jobs", "logs", "last", "-f", "--since", "10m"]);
    assert.equal(cli.asked.at(-1)?.query, { follow: "true", since: "10m" });
    const json = (await cli.run(["jobs", "logs", "-o", "json"])).stdout.split("\n")[0] ?? "";
    assert.equal(JSON.parse(json), line);
    assert.is((await cli.run(["jobs", "logs", "-o", "yaml"])).code, 2);
    cli.on("GET /v1/jobs/1m0000000000000001/logs", { lines: [] });
    assert.match(
      (await cli.run(["jobs", "logs"])).stderr,
      /No log lines of job 1m0000000000000001/,
    );
  }),
);

it(
  "watches: prints again what changed, from nothing too, and waits for an agent that restarts",
  withCli(async (cli) => {
    const host = cli.host();
    const answers = [
      page(),
      page(),
      { status: 503, body: { code: "STOPPED", detail: "stopping", status: 503 } },
      page(node("n1")),
      page(node("n1")),
    ];
    cli.on("GET /v1/nodes", () => {
      const next = answers.shift();
      if (next !== undefined) return next;
      host.emit("SIGINT");
      return page(node("n1"));
    });
    const { code, stdout, stderr } = await cli.run(["nodes", "-w"], host);
    assert.is(code, 0);
    assert.is(stdout.match(/discovered/g)?.length, 1);
    assert.match(stderr, /No nodes\nstopping; trying again until Ctrl-C\n$/);
  }),
);

it(
  "cuts lists to the width of a terminal, never names, and nothing in a pipe or with -o wide",
  withCli(async (cli) => {
    const roles = Array.from({ length: 40 }, (_, i) => `role-${i}`);
    const name = "a-node-with-a-long-name";
    cli.on("GET /v1/nodes", page(node(name, { roles })));
    const { stdout } = await cli.run(["nodes"], cli.host(80));
    for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
    assert.match(stdout, new RegExp(`^${name} .*…`, "m"));
    assert.match((await cli.run(["nodes"])).stdout, /role-39/);
    assert.match((await cli.run(["nodes", "-o", "wide"], cli.host(80))).stdout, /role-39/);
  }),
);

it(
  "says beside the data that it may be out of date when the cluster is read-only",
  withCli(async (bench) => {
    const headers = { "muster-mode": "read-only" };
    bench.on("GET /v1/nodes", { ...page(node("n1")), headers });
    const { code, stdout, stderr } = await bench.run(["nodes", "-o", "name"]);
    assert.is(code, 0);
    assert.is(stdout, "n1\n");
    assert.match(stderr, /read-only.*out of date/);
  }),
);

it.run();
