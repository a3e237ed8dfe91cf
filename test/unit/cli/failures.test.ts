/** How the command line fails: exit codes, one line each, which agent it asks. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { codes } from "../../../src/api/contract/codes.ts";
import { AgentError } from "../../../src/base/errors.ts";
import { exitCodeOf } from "../../../src/cli/exit-codes.ts";
import { type CliBench, FakeHost, type Outcome, withCli } from "../../support/cli-bench.ts";

const it = suite("cli failures");

it(
  "ends with the exit code of what the agent answered",
  withCli(async (cli) => {
    const cases = [
      ["INVALID_REQUEST", 400, 2],
      ["INVALID_SELECTOR", 400, 2],
      ["UNAUTHENTICATED", 401, 7],
      ["FORBIDDEN", 403, 7],
      ["NOT_FOUND", 404, 4],
      ["ILLEGAL_MOVE", 409, 5],
      ["VERSION_MISMATCH", 412, 5],
      ["NO_LEADER", 503, 6],
      ["READ_ONLY", 503, 6],
      ["INTERNAL", 500, 1],
      ["UNKNOWN_OUTCOME", 504, 1],
      ["DEADLINE", 504, 124],
      ["A_CODE_OF_TOMORROW", 400, 1],
    ] as const;
    for (const [code, status, expected] of cases) {
      cli.problem("GET /v1/status", status, { code, detail: "It is so." });
      const outcome = await cli.run(["status"]);
      assert.is(outcome.code, expected, code);
      assert.match(outcome.stderr, new RegExp(`^muster: It is so\\.?.* \\(${code}\\)\n$`));
      assert.is(outcome.stdout, "");
    }
  }),
);

it("knows an exit code between 0 and 7, or 124, for every code of the API", () => {
  for (const code of Object.keys(codes)) {
    const exit = exitCodeOf(new AgentError(code, ""), false);
    assert.ok((exit >= 1 && exit <= 7) || exit === 124, code);
  }
  assert.is(exitCodeOf(new AgentError("TOKEN_USED", ""), true), 7, "an agent that may not join");
  assert.is(exitCodeOf(new AgentError("NO_CLUSTER", ""), true), 2);
  assert.is(exitCodeOf(new AgentError("NO_CLUSTER", ""), false), 6);
  assert.is(exitCodeOf(new AgentError("DATA_DIR_FULL", ""), true), 75, "as one that runs ends");
  const raw = Object.assign(new Error("write"), { code: "ENOSPC" });
  assert.is(exitCodeOf(raw, true), 75);
  assert.is(exitCodeOf(new TypeError("bug"), false), 1);
});

const everyVerb =
  "status|members|events|why x|nodes|nodes show x|nodes history x|nodes ledger x|nodes label x a=b|nodes role x|nodes vars x|nodes forget x|commission x|jobs|jobs show|jobs logs|jobs wait|jobs cancel x|vars|vars set a=b|vars unset a|roles|roles show x|roles set x a=b|settings|settings set repair=off|config|config refresh|config set-repo /x|token|token create|token revoke abc|operator raft|operator transfer|operator keys|operator rotate-keys|operator recover --plan|operator conflicts|operator conflicts show x";

it("says in one line what to do when no agent runs, and ends with 6, whatever the verb", async () => {
  for (const verb of everyVerb.split("|")) {
    const outcome = await alone(verb.split(" "), { MUSTER_DATA_DIR: "/nonexistent/muster" });
    assert.is(outcome.code, 6, verb);
    assert.is(outcome.stderr.trim().split("\n").length, 1, `${verb}: ${outcome.stderr}`);
    assert.match(outcome.stderr, /No agent answers at unix:\/nonexistent\/muster\/api\.sock/);
    assert.match(outcome.stderr, /muster agent.*--api-socket.*\(NO_AGENT\)/);
  }
});

it("shows a stack trace with --debug only", async () => {
  const env = { MUSTER_DATA_DIR: "/nonexistent" };
  assert.not.match((await alone(["status"], env)).stderr, /\n +at /);
  assert.match((await alone(["status", "--debug"], env)).stderr, /\n +at /);
  assert.match((await alone(["--debug", "status"], env)).stderr, /caused by/);
});

it("answers wrong words and options with 2 and what is possible", async () => {
  const cases = [
    [["foo"], /unknown command 'foo'/],
    [["nods"], /Did you mean nodes/],
    [
      ["nodes", "lst"],
      /Cannot use "lst" after "muster nodes": expected list, .*did you mean "list"/,
    ],
    [["jobs", "zzzzzzzzz"], /expected list, show, logs/],
    [["nodes", "show"], /missing required argument 'NODE'/],
    [["nodes", "show", "a", "b"], /too many arguments/],
    [["status", "--nope"], /unknown option '--nope'/],
    [["status", "-o", "xml"], /Cannot use -o "xml": expected table, wide, json, yaml, name/],
    [[], /Usage: muster/],
  ] as const;
  for (const [args, message] of cases) {
    const { code, stderr, stdout } = await alone(args, { MUSTER_DATA_DIR: "/nonexistent" });
    assert.is(code, 2, args.join(" "));
    assert.match(stderr, message);
    assert.not.match(stderr, /^error:/);
    assert.is(stdout, "");
  }
});

it("prints help and version on standard output and ends with 0", async () => {
  for (const args of [["--help"], ["nodes", "--help"], ["help", "commission"], ["agent", "-h"]]) {
    const { code, stdout, stderr } = await alone(args, {});
    assert.is(code, 0);
    assert.match(stdout, /Usage: muster/);
    assert.is(stderr, "");
  }
  assert.match((await alone(["--help"], {})).stdout, /124 gave up waiting/);
  assert.match((await alone(["--version"], {})).stdout, /^\d+\.\d+\.\d+\n$/);
  assert.match((await alone(["version"], {})).stdout, /^\d+\.\d+\.\d+\n$/);
  const parsed = JSON.parse((await alone(["version", "-o", "json"], {})).stdout) as object;
  assert.equal(Object.keys(parsed), ["version", "node"]);
});

it(
  "asks the agent of the flag before that of any variable, and of the variable before the default",
  withCli(async (cli) => {
    cli.on("GET /v1/members", { body: [] });
    const socket = path.join(cli.folder, "api.sock");
    const dead = { MUSTER_API_URL: "http://127.0.0.1:1", MUSTER_DATA_DIR: "/nonexistent" };
    const code = async (args: readonly string[], env: Record<string, string>): Promise<number> =>
      (await alone([...args, "members"], env)).code;
    assert.is(
      await code(["--api-socket", socket], dead),
      0,
      "flag over a variable of another kind",
    );
    assert.is(await code(["--data-dir", cli.folder], dead), 0);
    assert.is(await code([], dead), 6);
    assert.is(await code([], { MUSTER_API_SOCKET: socket, MUSTER_DATA_DIR: "/nonexistent" }), 0);
    assert.is((await alone(["members", "--data-dir", cli.folder], dead)).code, 0, "after the verb");
    const wrong = [
      ["--api-socket", ""],
      ["--data-dir", ""],
      ["--api-url", "ftp://h"],
      ["--api-url", "http://h:1", "--api-socket", socket],
      ["--request-timeout", "soon"],
      ["--api-url", "http://127.0.0.1:1", "--api-token-file", "/nonexistent/token"],
    ];
    for (const args of wrong) assert.is(await code(args, {}), 2, args.join(" "));
  }),
);

it("warns before a token travels unencrypted, but not on loopback", async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "muster-cli-"));
  try {
    const file = path.join(folder, "token");
    await writeFile(file, "mapi1.secret\n");
    const ask = async (url: string): Promise<Outcome> =>
      alone(
        ["--api-url", url, "--api-token-file", file, "--request-timeout", "100ms", "status"],
        {},
      );
    const plain = await ask("http://host.invalid:1");
    assert.match(plain.stderr, /^warning: the token goes to host\.invalid:1 unencrypted/);
    assert.not.match(plain.stderr, /mapi1/);
    assert.not.match((await ask("http://127.0.0.1:1")).stderr, /warning/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it(
  "names each bad field, unless the message has said it",
  withCli(async (cli) => {
    const problem = (problems: object[]): CliBench =>
      cli.problem("GET /v1/status", 400, {
        code: "INVALID_REQUEST",
        detail: "Bad: a is b",
        problems,
      });
    problem([{ field: "a", message: "a is b" }]);
    assert.is((await cli.run(["status"])).stderr, "muster: Bad: a is b (INVALID_REQUEST)\n");
    problem([{ field: "x.y", message: "must be a number" }, { message: "z" }]);
    const { stderr } = await cli.run(["status"]);
    assert.is(stderr, "muster: Bad: a is b (INVALID_REQUEST)\n  x.y: must be a number\n  z\n");
  }),
);

it(
  "says so and ends with 1 when the output cannot be written, as on a full disk",
  withCli(async (cli) => {
    cli.on("GET /v1/members", { body: [] });
    const host = cli.host();
    host.stdout.once("written", () => host.stdout.emit("error", new Error("ENOSPC")));
    const { code, stderr } = await cli.run(["members", "-o", "json"], host);
    assert.is(code, 1);
    assert.match(stderr, /Cannot write the output: ENOSPC/);
  }),
);

async function alone(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const { main } = await import("../../../src/cli/main.ts");
  const host = new FakeHost(env);
  const code = await main(args, host);
  return { code, stdout: host.stdout.text, stderr: host.stderr.text };
}

it.run();
