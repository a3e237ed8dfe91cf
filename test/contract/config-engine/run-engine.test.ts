/** What a run promises, with real shims, terminals and processes. */
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../src/base/clock.ts";
import { FileTranscriptStore } from "../../../src/config-engine/transcript-store.ts";
import { EngineLab, runSpec, until } from "../../support/run-engine.ts";

const it = suite<{ lab: EngineLab }>("run engine");

it.before.each(async (context) => {
  context.lab = new EngineLab({ transcriptBytes: 64 * 1024 * 1024 });
  await context.lab.start();
});
it.after.each(async ({ lab }) => {
  await lab.close();
});

async function output(lab: EngineLab, run: string): Promise<string> {
  const store = new FileTranscriptStore({ dataDir: lab.dataDir }, { clock: systemClock });
  let text = Buffer.alloc(0);
  for (let offset = 0; ; ) {
    const part = await store.read(run, { offset, maxBytes: 1 << 20, waitMs: 0 });
    text = Buffer.concat([text, ...part.chunks.map((chunk) => chunk.bytes)]);
    offset = part.nextOffset;
    if (part.complete || part.chunks.length === 0) return text.toString("utf8");
  }
}

it("ends succeeded when the action exits with 0, with its output kept", async ({ lab }) => {
  const spec = runSpec("succeed");
  const result = await lab.run(spec);
  assert.is(result.outcome, "succeeded");
  assert.is(result.exitCode, 0);
  assert.is(result.message, "");
  assert.ok(result.endedAt >= result.startedAt);
  assert.is(await output(lab, spec.id), "configured base on n1\r\n");
});

it("ends failed with exit code and last lines when the action fails", async ({ lab }) => {
  const result = await lab.run(runSpec("fail"));
  assert.is(result.outcome, "failed");
  assert.is(result.exitCode, 3);
  assert.is(result.message, "exited with 3: about to fail\ndisk /dev/sdx is missing");
});

it("ends drifted when verify exits with 2, and failed when configure does", async ({ lab }) => {
  const verify = await lab.run(runSpec("drift", { action: "verify" }));
  assert.is(verify.outcome, "drifted");
  assert.is(verify.message, "checked 12 files\n/etc/ntp.conf: changed");
  const configure = await lab.run(runSpec("drift"));
  assert.is(configure.outcome, "failed");
});

it("ends failed with the signal when the action is killed by one", async ({ lab }) => {
  const result = await lab.run(runSpec("killed-by-signal"));
  assert.is(result.outcome, "failed");
  assert.is(result.exitCode, null);
  assert.is(result.signal, 9);
});

it("ends failed when the executable is not there", async ({ lab }) => {
  const result = await lab.run(runSpec("no-such-program"));
  assert.is(result.outcome, "failed");
  assert.is(result.exitCode, 127);
  assert.match(result.message, /no-such-program: not found/);
});

it("gives the action its environment, empty input and a terminal, and nothing of the agent's", async ({
  lab,
}) => {
  const spec = runSpec("environment", { vars: { a: 1 }, inventory: { nodes: {}, roles: {} } });
  await lab.run(spec);
  const lines = (await output(lab, spec.id)).split("\r\n");
  const names = lines.filter((line) => /^[A-Z_]+=/.test(line)).map((line) => line.split("=")[0]);
  assert.equal(names, [
    "HOME",
    "LANG",
    "MUSTER_ACTION",
    "MUSTER_BUNDLE",
    "MUSTER_INVENTORY",
    "MUSTER_JOB",
    "MUSTER_NODE",
    "MUSTER_REVISION",
    "MUSTER_ROLE",
    "MUSTER_VARS",
    "PATH",
    "PWD",
    "TERM",
  ]);
  assert.ok(lines.includes('vars={"a":1}'));
  assert.ok(lines.includes('inventory={"nodes":{},"roles":{}}'));
  assert.ok(lines.includes("stdin is empty"));
  assert.ok(lines.includes("stdout is a terminal"));
  assert.is(lines.at(-2), "0", "the action holds no terminal master");
});

it("keeps vars and inventory readable to the owner only, and removes them at the end", async ({
  lab,
}) => {
  const spec = runSpec("environment", { vars: { secret: "x" } });
  await lab.run(spec);
  const modes = (await output(lab, spec.id))
    .split("\r\n")
    .filter((line) => line.startsWith("mode"));
  assert.is(modes.length, 2);
  assert.ok(modes.every((line) => line.startsWith("mode=600 ")));
  const folder = lab.runFolder(spec.id);
  assert.equal(
    readdirSync(folder).filter((name) => /vars|inventory|secrets/.test(name)),
    [],
  );
  assert.is(statSync(path.join(folder, "spec.json")).mode & 0o777, 0o600);
  assert.not.match(readFileSync(path.join(folder, "spec.json"), "utf8"), /"x"/);
});

it("stops an action that takes too long, first politely", async ({ lab }) => {
  const result = await lab.run(runSpec("hang", { timeoutMs: 200 }));
  assert.is(result.outcome, "timed-out");
  assert.is(result.signal, 15);
  assert.is(result.message.split("\n")[0], "did not end within 200ms: hanging");
});

it("kills an action and its children that ignore the polite signal", async ({ lab }) => {
  const spec = runSpec("stubborn");
  await lab.engine.ensure(spec);
  await until(
    "its output",
    () => readdirSync(path.join(lab.runFolder(spec.id), "transcript")).length > 0,
  );
  lab.engine.cancel(spec.id, "cancelled by anna");
  const result = await lab.end(spec.id);
  assert.is(result.outcome, "cancelled");
  assert.is(result.message, "cancelled by anna");
  assert.is(result.signal, 9);
  await until("every process to be gone", () => lab.processes().length === 0);
  assert.match(await output(lab, spec.id), /cancelled by anna: SIGTERM, then SIGKILL to /);
});

it("cancels a run that was asked for a moment ago", async ({ lab }) => {
  const spec = runSpec("hang");
  const started = lab.engine.ensure(spec);
  await until("the run to be known", () => lab.engine.running().includes(spec.id));
  lab.engine.cancel(spec.id, "changed my mind");
  await started;
  const result = await lab.end(spec.id);
  assert.is(result.outcome, "cancelled");
});

it("leaves nothing of the action's session in the background", async ({ lab }) => {
  const spec = runSpec("background");
  const result = await lab.run(spec);
  assert.is(result.outcome, "succeeded");
  await until("every process to be gone", () => lab.processes().length === 0);
});

it("starts a run once however often it is asked for", async ({ lab }) => {
  const counter = path.join(lab.dataDir, "counter");
  const spec = runSpec("counter", { vars: { counter } });
  await Promise.all([lab.engine.ensure(spec), lab.engine.ensure(spec), lab.engine.ensure(spec)]);
  await lab.end(spec.id);
  const again = await lab.engine.ensure(spec);
  assert.is(again.state, "ended");
  await lab.restart();
  const afterRestart = await lab.engine.ensure(spec);
  assert.is(afterRestart.state, "ended");
  assert.is(readFileSync(counter, "utf8"), "started\n");
});

it("refuses more secret bytes than can be masked, and starts nothing", async ({ lab }) => {
  const spec = runSpec("succeed", { secretValues: ["x".repeat(300_000)] });
  try {
    await lab.engine.ensure(spec);
    assert.unreachable();
  } catch (error) {
    assert.is((error as { code?: string }).code, "RUN_NOT_STARTED");
  }
  assert.equal(readdirSync(path.join(lab.dataDir, "runs")), []);
});

it("takes any text as part of a run id", async ({ lab }) => {
  const id = `../j b/n%1/rôle*'"$(id)/configure/1/${"long".repeat(100)}`;
  const result = await lab.run(runSpec("succeed", { id }));
  assert.is(result.id, id);
  assert.is(result.outcome, "succeeded");
  assert.is(await output(lab, id), "configured base on n1\r\n");
  assert.is(readdirSync(path.join(lab.dataDir, "runs")).length, 1);
});

it("carries twenty runs side by side", async ({ lab }) => {
  const specs = Array.from({ length: 20 }, () => runSpec("short"));
  const results = await Promise.all(specs.map((spec) => lab.run(spec)));
  assert.is(results.filter((result) => result.outcome === "succeeded").length, 20);
  for (const spec of specs) assert.match(await output(lab, spec.id), /3000\r\nEND\r\n$/);
});

it("removes runs that were acknowledged, oldest first, and no other", async () => {
  const lab = new EngineLab({ keepRuns: 1 });
  try {
    await lab.start();
    const specs = [runSpec("succeed"), runSpec("succeed"), runSpec("succeed")];
    for (const spec of specs) await lab.run(spec);
    const [first, second, third] = specs.map((spec) => spec.id);
    for (const id of [first, second]) lab.engine.acknowledge(id ?? "");
    assert.is(lab.engine.state(first ?? "").state, "unknown");
    assert.not.ok(existsSync(lab.runFolder(first ?? "")));
    assert.is(lab.engine.state(second ?? "").state, "ended");
    assert.is(lab.engine.state(third ?? "").state, "ended");
  } finally {
    await lab.close();
  }
});

it("leaves alone a folder that is not a run", async ({ lab }) => {
  const odd = path.join(lab.dataDir, "runs", "odd");
  mkdirSync(odd);
  writeFileSync(path.join(odd, "spec.json"), "{");
  await lab.restart();
  assert.ok(existsSync(odd));
  assert.equal(lab.engine.running(), []);
});

it.run();
