/** Bad input: each has its own clear error with a code, and nothing has changed after it. */
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  commitFiles,
  freePort,
  killLeftovers,
  runCli,
  TestAgent,
  TestCluster,
} from "../support/agents.ts";
import { appFiles, appRepository } from "../support/app-repository.ts";
import { ask } from "../support/http.ts";
import {
  code,
  configured,
  createJob,
  jobEnded,
  nodes,
  setVars,
  startedActions,
} from "../support/operate.ts";
import { until } from "../support/until.ts";

const it = suite("bad input");
let cluster: TestCluster;
let root: string;
let repository: string;

it.before(async () => {
  cluster = await TestCluster.start({ size: 2 });
  root = path.join(cluster.folder, "site");
  repository = await appRepository(cluster.folder);
  await cluster.first.api("PUT", "/v1/config/source", { body: { url: repository } });
  await configured(cluster.first);
  await setVars(cluster.first, { root });
});

it.after(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** Posts a job that must be refused; asserts that no job came of it. */
async function refused(body: unknown, status: number, text: RegExp): Promise<void> {
  const before = await cluster.first.get<{ items: unknown[] }>("/v1/jobs");
  const answer = await cluster.first.api("POST", "/v1/jobs", { body });
  assert.is(answer.status, status, answer.text);
  assert.match(String(answer.headers["content-type"]), /application\/problem\+json/);
  assert.match(answer.text, text);
  assert.is.not(code(answer), "", "an error has a code");
  const after = await cluster.first.get<{ items: unknown[] }>("/v1/jobs");
  assert.is(after.items.length, before.items.length);
}

it("refuses jobs on unknown nodes, with all bad nodes named at once", async () => {
  await refused(
    { action: "commission", nodes: ["n1", "ghost", "phantom"], roles: ["app"] },
    422,
    /ghost[\s\S]*phantom/,
  );
});

it("refuses an empty selector, no target at all, and a selector that selects nothing", async () => {
  await refused({ action: "verify", selector: "" }, 400, /selector/i);
  await refused({ action: "commission", roles: ["app"] }, 400, /nodes|selector|all/);
  await refused({ action: "commission", selector: "rack=none", roles: ["app"] }, 422, /no node/i);
});

it("refuses an unknown role and names it", async () => {
  await refused({ action: "commission", all: true, roles: ["nope"] }, 422, /nope/);
});

it("refuses unknown fields, naming the nearest known one", async () => {
  await refused({ action: "verify", all: true, stratgy: {} }, 400, /stratgy[\s\S]*strategy/);
});

it("refuses bodies that are not JSON objects, too large, or of another type", async () => {
  for (const body of ["[]", "null", "3", '"x"', "{", "{'a':1}"])
    await refused(body, 400, /JSON|object/i);
  const typed = await cluster.first.api("POST", "/v1/jobs", {
    body: "a=b",
    headers: { "content-type": "application/x-www-form-urlencoded" },
  });
  assert.is(typed.status, 415, typed.text);
  const big = `{"value":"${"x".repeat(2 * 1024 * 1024)}"}`;
  const large = await cluster.first
    .api("PUT", "/v1/vars/big", { body: big })
    .catch(() => ({ status: 413, text: "" }));
  assert.is(large.status, 413, large.text);
  assert.is((await cluster.first.api("GET", "/v1/vars/big")).status, 404);
});

it("survives a body of 100 MB without taking it in", async () => {
  const piece = Buffer.alloc(1024 * 1024, 120);
  const http = await import("node:http");
  const request = http.request({
    socketPath: cluster.first.socket,
    method: "PUT",
    path: "/v1/vars/huge",
    headers: { "content-type": "application/json", "content-length": 100 * piece.length },
  });
  const answered = Promise.withResolvers<number>();
  request.on("response", (response) => {
    response.resume();
    answered.resolve(response.statusCode ?? 0);
  });
  request.on("error", () => answered.resolve(413));
  const send = (left: number): void => {
    if (left === 0 || request.destroyed) return;
    request.write(piece, () => send(left - 1));
  };
  send(100);
  assert.is(await answered.promise, 413);
  request.destroy();
  await cluster.ready(cluster.first, 2);
});

it("refuses node names with odd characters at every door", async () => {
  for (const name of ["..", "a/b", "a b", "ä", "%00", "x".repeat(300), "-a", ""]) {
    const answer = await cluster.first.api("GET", `/v1/nodes/${encodeURIComponent(name)}`);
    assert.ok([200, 400, 404].includes(answer.status), `${name}: ${answer.status}`);
    if (name !== "") assert.is.not(answer.status, 200, name);
    const started = await runCli([
      "agent",
      "--name",
      name,
      "--data-dir",
      "/nonexistent/x",
      "--join",
      "h:1",
    ]);
    assert.is(started.code, 2, `${name}: ${started.stderr}`);
  }
});

it("keeps the last good revision when a manifest is broken, and names file and line", async () => {
  const before = await cluster.first.get<{ revision: { commit: string } }>("/v1/config");
  await commitFiles(repository, {
    "muster.yaml":
      "apiVersion: muster/v1\nroles:\n  app:\n    runner: script\n    configur: app/configure\n",
  });
  const cli = await cluster.first.cli(["config", "refresh"]);
  assert.is(cli.code, 1, cli.stdout);
  const after = await cluster.first.get<{
    revision: { commit: string };
    lastError: { code: string; message: string } | null;
  }>("/v1/config");
  assert.is(after.revision.commit, before.revision.commit);
  assert.match(after.lastError?.message ?? "", /muster\.yaml:5[\s\S]*configur/);
  await commitFiles(repository, appFiles);
  const mended = await cluster.first.cli(["config", "refresh"]);
  assert.is(mended.code, 0, mended.stderr);
});

it("says that a git repository cannot be reached, and goes on with the revision it has", async () => {
  const other = path.join(cluster.folder, "not-there");
  const cli = await cluster.first.cli(["config", "set-repo", other]);
  assert.is(cli.code, 1, cli.stdout + cli.stderr);
  const config = await cluster.first.get<{
    revision: object | null;
    lastError: { code: string; message: string } | null;
  }>("/v1/config");
  assert.is(config.lastError?.code, "SOURCE_UNREACHABLE");
  assert.ok(config.revision !== null);
  assert.is((await cluster.first.cli(["config", "set-repo", repository])).code, 0);
  const badRef = await cluster.first.cli(["config", "set-repo", `${repository}#no-such-branch`]);
  assert.is(badRef.code, 1);
  assert.is((await cluster.first.cli(["config", "set-repo", repository])).code, 0);
});

it("queues a job on a node that another job holds, and says which", async () => {
  const hold = await createJob(() => cluster.first, {
    action: "commission",
    nodes: ["n2"],
    roles: ["app"],
    vars: { hold: true },
  });
  await until({ what: "the first job runs" }, () =>
    startedActions(root).includes("n2 app configure"),
  );
  const second = await createJob(() => cluster.first, { action: "cleanup", nodes: ["n2"] });
  assert.is(second.status, "queued");
  assert.equal(second.blockedBy, [hold.id]);
  const why = await cluster.first.cli(["why", second.id]);
  assert.match(why.stdout, new RegExp(hold.id));
  await writeFile(path.join(root, "release"), "");
  assert.is((await jobEnded(() => cluster.first, hold.id)).status, "succeeded");
  const ended = await jobEnded(() => cluster.first, second.id);
  assert.is(ended.status, "succeeded", JSON.stringify(ended.nodes));
});

it("names an unknown config key and the nearest known one", async () => {
  const file = path.join(cluster.folder, "bad.yaml");
  await writeFile(file, "lisen: 0.0.0.0:7700\n");
  const result = await runCli([
    "agent",
    "--config",
    file,
    "--data-dir",
    path.join(cluster.folder, "x"),
  ]);
  assert.is(result.code, 2);
  assert.match(result.stderr, /bad\.yaml.*lisen.*listen/);
  assert.is(result.stderr.trim().split("\n").length, 1, "one line, no stack trace");
});

it("prints every option with its source", async () => {
  const result = await runCli(["agent", "--print-config", "--listen", "127.0.0.1:1234"]);
  assert.is(result.code, 0, result.stderr);
  assert.match(result.stdout, /listen\s+127\.0\.0\.1:1234\s+flag --listen/);
  assert.match(result.stdout, /logLevel\s+info\s+default/);
});

it("ends with code 6 and one line when no agent answers", async () => {
  for (const verb of [["status"], ["nodes"], ["commission", "--all", "--role", "app"], ["jobs"]]) {
    const result = await runCli([
      "--api-socket",
      path.join(cluster.folder, "nobody.sock"),
      ...verb,
    ]);
    assert.is(result.code, 6, result.stderr);
    assert.is(result.stderr.trim().split("\n").length, 1, result.stderr);
    assert.match(result.stderr, /No agent answers/);
  }
});

it("refuses a data directory in use and a port in use, each in one line", async () => {
  const port = await freePort();
  const inUse = await runCli([
    "agent",
    "--data-dir",
    cluster.first.dataDir,
    "--listen",
    `127.0.0.1:${port}`,
    "--api-socket",
    path.join(cluster.folder, "other.sock"),
  ]);
  assert.is(inUse.code, 1, inUse.stdout);
  assert.match(inUse.stderr, /in use by another agent/);
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  const agent = new TestAgent("porty", cluster.folder, port);
  agent.start("bootstrap");
  assert.is.not(await agent.exited(), 0);
  assert.match(agent.log(), /PORT_IN_USE|in use/);
  server.close();
  await once(server, "close");
  await cluster.ready(cluster.first, 2);
});

it("refuses to start without a cluster, and to form a second one where an agent answers", async () => {
  const lonely = await runCli(["agent", "--data-dir", path.join(cluster.folder, "lonely")]);
  assert.is(lonely.code, 2);
  assert.match(lonely.stderr, /belongs to no cluster/);
  const agent = new TestAgent("second", cluster.folder, await freePort());
  agent.start("bootstrap", ["--join", `127.0.0.1:${cluster.first.port}`]);
  assert.is(await agent.exited(), 5, agent.log());
  assert.match(agent.log(), /CLUSTER_EXISTS/);
});

it("refuses inventories it does not have", async () => {
  const result = await runCli([
    "bootstrap",
    "--inventory-url",
    "etcd://h:2379",
    "--data-dir",
    "/nonexistent/x",
  ]);
  assert.match(result.stderr, /UNSUPPORTED/);
  assert.is.not(result.code, 0);
});

it("stops with a clear word on a full disk, and goes on when there is room again", async () => {
  if (process.getuid?.() !== 0) {
    process.stdout.write("# skip full disk: mounting a small tmpfs needs root\n");
    return;
  }
  const dataDir = path.join(cluster.folder, "small");
  await mkdir(dataDir);
  const { execFileSync } = await import("node:child_process");
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", dataDir]);
  const agent = new TestAgent("small", cluster.folder, await freePort());
  try {
    agent.start("bootstrap");
    await cluster.ready(agent, 1);
    await writeFile(path.join(dataDir, "ballast"), Buffer.alloc(64 << 20)).catch(() => undefined);
    let last = "";
    for (let i = 0; i < 400 && agent.running; i += 1) {
      const value = "y".repeat(60_000);
      const answer = await agent
        .api("PUT", `/v1/vars/fill-${i % 4}`, { body: { value: `${i}${value}` } })
        .catch(() => null);
      if (answer === null || answer.status !== 200) {
        last = answer?.text ?? "the connection was closed";
        break;
      }
    }
    assert.is.not(last, "", "a full disk is noticed");
    const exit = await agent.exited();
    assert.is(exit, 75, agent.log().slice(-2000));
    assert.match(agent.log(), /ENOSPC|No space/i);
    execFileSync("rm", [path.join(dataDir, "ballast")]);
    agent.start("agent");
    await cluster.ready(agent, 1);
    const answer = await agent.api("PUT", "/v1/vars/after", { body: { value: 1 } });
    assert.is(answer.status, 200, answer.text);
  } finally {
    await agent.kill("SIGKILL");
    await killLeftovers(dataDir); // its supervisor, which took the directory over
    await until({ what: "the disk is let go" }, () => {
      execFileSync("umount", [dataDir], { stdio: "ignore" });
      return true;
    });
  }
});

it("closes a connection that sends nonsense, and serves the next", async () => {
  const { connect } = await import("node:net");
  const socket = connect(cluster.first.socket);
  socket.on("error", () => undefined);
  socket.write("\x16\x03\x01nonsense\r\n\r\n");
  socket.resume();
  await once(socket, "close");
  const answer = await ask({ socketPath: cluster.first.socket, path: "/healthz" });
  assert.is(answer.status, 200);
  assert.is((await nodes(cluster.first)).length, 2);
});

it.run();
