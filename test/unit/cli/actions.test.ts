/** The verbs that make jobs: what they ask, how they wait, and with which exit code they end. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { job, jobNode, withCli } from "../../support/cli-bench.ts";

const it = suite("cli actions");
const id = "1m0000000000000001";
const running = job({
  status: "running",
  endedAt: null,
  nodes: { n1: jobNode({ status: "running", endedAt: null }) },
});

for (const verb of ["commission", "decommission", "upgrade", "verify", "cleanup"]) {
  it(
    `${verb} asks for a job on the named nodes and prints how it ended`,
    withCli(async (cli) => {
      cli.on("POST /v1/jobs", { status: 202, body: job({ action: verb }) });
      const { code, stdout } = await cli.run([verb, "n1", "n2"]);
      assert.is(code, 0);
      const { body, headers } = cli.request("POST", "/v1/jobs");
      assert.equal(body, { action: verb, nodes: ["n1", "n2"] });
      assert.match(String(headers["idempotency-key"]), /^[0-9a-f-]{36}$/);
      assert.match(stdout, new RegExp(`action +${verb}`));
      assert.match(stdout, /n1 +succeeded/);
    }),
  );
}

it(
  "sends every option, with file vars below those of the line",
  withCli(async (cli) => {
    const file = path.join(cli.folder, "vars.yaml");
    await writeFile(file, "port: 1\nkept: [a, b]\n");
    cli.on("POST /v1/jobs", { status: 202, body: job() });
    const line = `commission -l rack=r1,role=web --role web --role db --strategy batch=25%,canary=1 --reason why --force`;
    const vars = [
      "--vars-file",
      file,
      "--var",
      "port=80",
      "--var",
      "v=1.10",
      "--var",
      'o={"a":1}',
      "--var",
      "t=x=y",
    ];
    assert.is((await cli.run([...line.split(" "), ...vars])).code, 0);
    assert.equal(cli.request("POST", "/v1/jobs").body, {
      action: "commission",
      selector: "rack=r1,role=web",
      roles: ["web", "db"],
      vars: { port: 80, kept: ["a", "b"], v: "1.10", o: { a: 1 }, t: "x=y" },
      strategy: { batch: "25%", canary: 1 },
      force: true,
      reason: "why",
    });
  }),
);

it(
  "wants exactly one way of naming nodes, and never takes nothing for everything",
  withCli(async (cli) => {
    for (const args of [
      [],
      ["n1", "--all"],
      ["-l", "a=b", "--all"],
      ["-l", ""],
      ["-l", "a=b", "n1"],
    ]) {
      const { code, stderr } = await cli.run(["upgrade", ...args]);
      assert.is(code, 2, args.join(" "));
      assert.match(stderr, /--all/);
    }
    assert.is(cli.asked.length, 0);
    cli.on("POST /v1/jobs", { status: 202, body: job() });
    await cli.run(["upgrade", "--all"]);
    assert.equal(cli.request("POST", "/v1/jobs").body, { action: "upgrade", all: true });
  }),
);

it(
  "checks what it was given before it asks for anything",
  withCli(async (cli) => {
    const bad = [
      [["--timeout", "soon"], /--timeout "soon"/],
      [["-o", "xml"], /-o "xml"/],
      [["--var", "novalue"], /"novalue": expected KEY=VALUE/],
      [["--vars-file", "/nonexistent/x"], /Cannot read "\/nonexistent\/x"/],
      [["--nosuch"], /unknown option '--nosuch'/],
    ] as const;
    for (const [args, message] of bad) {
      const { code, stderr } = await cli.run(["commission", "n1", ...args]);
      assert.is(code, 2);
      assert.match(stderr, message);
      assert.not.match(stderr, /\n +at /);
    }
    assert.is(cli.asked.length, 0);
  }),
);

it(
  "ends with 1 when a node failed or the job was rolled back, and says where to look",
  withCli(async (cli) => {
    for (const status of ["failed", "cancelled", "rolled-back"]) {
      const nodes = { n1: jobNode({ status: "failed", exitCode: 7, message: "boom\nmore" }) };
      cli.on("POST /v1/jobs", { status: 202, body: job({ status, nodes }) });
      const { code, stderr } = await cli.run(["upgrade", "n1"]);
      assert.is(code, 1, status);
      assert.match(stderr, /n1: failed web\/configure \(exit code 7\): boom\n/);
      assert.match(stderr, new RegExp(`muster jobs logs ${id}`));
    }
  }),
);

it(
  "ends a verify with 3 on drift, with 0 without, with 1 where a node is broken",
  withCli(async (cli) => {
    const verify = (status: string, exitCode: number, nodeStatus = "succeeded"): object =>
      job({
        action: "verify",
        status,
        nodes: { n1: jobNode({ exitCode, status: nodeStatus }), n2: jobNode() },
      });
    const cases = [
      [verify("succeeded", 2), 3],
      [verify("succeeded", 0), 0],
      [verify("failed", 1, "failed"), 1],
    ] as const;
    for (const [body, expected] of cases) {
      cli.on("POST /v1/jobs", { status: 202, body });
      assert.is((await cli.run(["verify", "--all"])).code, expected);
    }
  }),
);

it(
  "waits for the end with progress, through an agent that is away for a moment",
  withCli(async (cli) => {
    cli.on("POST /v1/jobs", { status: 202, body: running });
    let polls = 0;
    cli.on(`GET /v1/jobs/${id}`, () => {
      polls += 1;
      if (polls > 1) return { body: job() };
      return { status: 503, body: { code: "NO_LEADER", detail: "electing", status: 503 } };
    });
    const { code, stderr } = await cli.run(["commission", "n1"]);
    assert.is(code, 0);
    assert.match(stderr, /commission 1 node\nn1: running.*\nn1: succeeded/);
    const quiet = await cli.run(["commission", "n1", "-q"]);
    assert.is(quiet.stderr, "");
  }),
);

it(
  "says of a queued job which one it waits for",
  withCli(async (cli) => {
    cli.on("POST /v1/jobs", {
      status: 202,
      body: job({ status: "queued", endedAt: null, blockedBy: ["1mother"], nodes: {} }),
    });
    cli.on(`GET /v1/jobs/${id}`, { body: job() });
    assert.match((await cli.run(["commission", "n1"])).stderr, /queued behind 1mother/);
  }),
);

it(
  "gives up with 124 at --timeout, and says how to cancel",
  withCli(async (cli) => {
    cli
      .on("POST /v1/jobs", { status: 202, body: running })
      .on(`GET /v1/jobs/${id}`, { body: running });
    const { code, stderr } = await cli.run(["commission", "n1", "--timeout", "1ms"]);
    assert.is(code, 124);
    assert.match(stderr, new RegExp(`muster jobs wait ${id}`));
    assert.match(stderr, new RegExp(`muster jobs cancel ${id}`));
  }),
);

it(
  "detaches on Ctrl-C with 124, even while an agent keeps it waiting for an answer",
  withCli(async (cli) => {
    const host = cli.host();
    cli.on("POST /v1/jobs", { status: 202, body: running });
    cli.on(`GET /v1/jobs/${id}`, () => {
      host.emit("SIGINT");
      return new Promise(() => undefined);
    });
    const { code, stderr } = await cli.run(["commission", "n1"], host);
    assert.is(code, 124);
    assert.match(stderr, /goes on/);
    assert.is(host.listenerCount("SIGINT"), 0, "a second Ctrl-C ends the process");
  }),
);

it(
  "prints the id and returns with --detach",
  withCli(async (cli) => {
    cli.on("POST /v1/jobs", { status: 202, body: running });
    assert.equal(await cli.run(["commission", "n1", "--detach"]), {
      code: 0,
      stdout: `${id}\n`,
      stderr: "",
    });
    assert.is(cli.asked.length, 1);
  }),
);

it(
  "shows the plan of a dry run and does not wait",
  withCli(async (cli) => {
    const plan = {
      dryRun: true,
      action: "upgrade",
      strategy: {},
      revision: "c0ffee",
      targets: ["n1", "n2"],
      waves: [["n1"], ["n2"]],
      nodes: {
        n1: { wave: 0, roles: ["web"], actions: [] },
        n2: { wave: 1, roles: [], actions: [] },
      },
      blockedBy: ["1mother"],
      warnings: ["n2 has no roles"],
    };
    cli.on("POST /v1/jobs", { body: plan });
    const { code, stdout } = await cli.run(["upgrade", "--all", "--dry-run"]);
    assert.is(code, 0);
    assert.match(stdout, /nothing was changed/);
    assert.match(stdout, /queue behind 1mother/);
    assert.match(stdout, /warning: n2 has no roles/);
    assert.match(stdout, /n1 +1 +web\nn2 +2 +-/);
    assert.equal((cli.request("POST", "/v1/jobs").body as { dryRun: boolean }).dryRun, true);
  }),
);

it(
  "lists one line for each bad node when a precheck fails",
  withCli(async (cli) => {
    cli.problem("POST /v1/jobs", 422, {
      code: "PRECHECK_FAILED",
      detail: "The job was not created: n1 is away (and 1 more)",
      problems: [
        { node: "n1", message: "n1 is away" },
        { node: "n2", message: "n2 is held" },
      ],
    });
    const { code, stderr } = await cli.run(["upgrade", "n1", "n2"]);
    assert.is(code, 5);
    assert.is(
      stderr,
      "muster: The job was not created: n1 is away (and 1 more) (PRECHECK_FAILED)\n  n1: n1 is away\n  n2: n2 is held\n",
    );
  }),
);

it(
  "asks again with the same key when the outcome of the creation is unknown",
  withCli(async (cli) => {
    cli.on("POST /v1/jobs", () =>
      cli.asked.length === 1
        ? { status: 504, body: { code: "UNKNOWN_OUTCOME", detail: "lost", status: 504 } }
        : { status: 202, body: job() },
    );
    assert.is((await cli.run(["upgrade", "n1"])).code, 0);
    const keys = cli.asked.map(({ headers }) => headers["idempotency-key"]);
    assert.is(keys.length, 2);
    assert.is(keys[0], keys[1]);
  }),
);

it.run();
