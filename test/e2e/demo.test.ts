/** The demo is what a newcomer runs first: it must be true, end by itself, and leave nothing. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freePort, processesOf, repository, runCli, TestAgent } from "../support/agents.ts";
import { until } from "../support/until.ts";

const it = suite("demo");

interface Ended {
  readonly code: number;
  readonly output: string;
}

function runDemo(environment: NodeJS.ProcessEnv, tmp: string): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const script = path.join(repository, "examples/demo.ts");
  const options = {
    timeout: 170_000,
    maxBuffer: 16 << 20,
    env: { ...process.env, TMPDIR: tmp, ...environment },
  };
  execFile(process.execPath, [script], options, (error, stdout, stderr) => {
    const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
    resolve({ code, output: stdout + stderr });
  });
  return promise;
}

it("goes through a node's whole life, says that all was true, and leaves no process or file", async () => {
  const tmp = await mkdtemp(path.join(os.tmpdir(), "muster-demo-test-"));
  try {
    const { code, output } = await runDemo({}, tmp);
    assert.is(code, 0, output);
    assert.match(output, /All true/);
    assert.equal(await processesOf(tmp), []);
    const { readdir } = await import("node:fs/promises");
    assert.equal(await readdir(tmp), []);
  } finally {
    await rm(tmp, { recursive: true, force: true });
  }
});

it("ends with code 1 and the reason when a step is not true", async () => {
  const tmp = await mkdtemp(path.join(os.tmpdir(), "muster-demo-test-"));
  try {
    const { code, output } = await runDemo({ PATH: "/nonexistent" }, tmp);
    assert.is(code, 1, output);
    assert.match(output, /The demo failed: git init/);
    assert.equal(await processesOf(tmp), []);
  } finally {
    await rm(tmp, { recursive: true, force: true });
  }
});

it("forms a cluster with bootstrap.ts, prints what to do next, and is idempotent", async () => {
  const tmp = await mkdtemp(path.join(os.tmpdir(), "muster-bootstrap-test-"));
  const agent = new TestAgent("solo", tmp, await freePort());
  try {
    const ids: string[] = [];
    for (let start = 0; start < 2; start += 1) {
      agent.start("bootstrap", ["--config-repo", path.join(repository, "examples/config")]);
      await until({ what: "the agent is ready", deadlineMs: 60_000 }, async () => {
        return (await agent.api("GET", "/readyz")).status === 200;
      });
      await until({ what: "it says what to do next" }, () => {
        return agent.log().split("\nnext ").length === start + 2;
      });
      const match = /cluster muster ([0-9a-f]{32})/.exec(agent.log());
      ids.push(match?.[1] ?? "");
      assert.is(await agent.kill("SIGTERM"), 0);
    }
    assert.is(ids[0], ids[1]);
    assert.match(agent.log(), /was formed earlier/);
    assert.match(agent.log(), /muster agent --join/);
    const version = await runCli(["version"]);
    assert.is(version.code, 0);
  } finally {
    await agent.kill("SIGKILL");
    await rm(tmp, { recursive: true, force: true });
  }
});

it.run();
