/** Runs and the deaths of agents, shims and machines. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { execPath, kill } from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EngineLab, runSpec, until } from "../../support/run-engine.ts";

const it = suite<{ lab: EngineLab }>("run adoption");

it.before.each(async (context) => {
  context.lab = new EngineLab();
  await context.lab.start();
});
it.after.each(async ({ lab }) => {
  await lab.close();
});

function identityIn(lab: EngineLab, run: string, file: string): { pid: number; bootId: string } {
  return JSON.parse(readFileSync(path.join(lab.runFolder(run), file), "utf8")) as never;
}

function commands(lab: EngineLab): string[] {
  return lab.processes().map(({ command }) => command);
}

it("goes on without the agent, and the next agent gets its result", async ({ lab }) => {
  const counter = path.join(lab.dataDir, "counter");
  const spec = runSpec("counter", { vars: { counter } });
  await lab.engine.ensure(spec);
  await until("the action to run", () => existsSync(counter));
  await lab.restart();
  assert.equal(lab.engine.running(), [spec.id]);
  assert.equal(lab.ended, []);
  const result = await lab.end(spec.id);
  assert.is(result.outcome, "succeeded");
  assert.is(readFileSync(counter, "utf8"), "started\n");
});

/** Starts the counter action in an agent process of its own, and kills that process without warning. */
async function killedAgent(lab: EngineLab, counter: string): Promise<string> {
  const host = path.join(import.meta.dirname, "../../fixtures/engine-host.ts");
  const args = ["--no-warnings", host, lab.dataDir, "counter", JSON.stringify({ counter })];
  const agent = spawn(execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => agent.once("exit", resolve));
  try {
    await new Promise((resolve) => agent.stdout.once("data", resolve));
  } finally {
    agent.kill("SIGKILL");
    await ended;
  }
  return "j/n/r/configure/1";
}

it("survives the kill of the agent process that started it", async ({ lab }) => {
  await lab.engine.stop();
  const counter = path.join(lab.dataDir, "counter");
  const run = await killedAgent(lab, counter);
  await lab.restart();
  assert.equal(lab.engine.running(), [run]);
  assert.is((await lab.end(run)).outcome, "succeeded");
  assert.is(readFileSync(counter, "utf8"), "started\n");
});

it("is lost, and over, when the agent process and then the shim were killed", async ({ lab }) => {
  await lab.engine.stop();
  const counter = path.join(lab.dataDir, "counter");
  const run = await killedAgent(lab, counter);
  await until("the action to run", () => existsSync(counter));
  kill(identityIn(lab, run, "shim.json").pid, "SIGKILL");
  await lab.restart();
  assert.is((await lab.end(run)).outcome, "lost");
  assert.equal(commands(lab), []);
});

it("tells the next agent about a run that ended while there was none", async ({ lab }) => {
  const spec = runSpec("succeed");
  await lab.engine.ensure(spec);
  await lab.engine.stop();
  await until("the end", () => existsSync(path.join(lab.runFolder(spec.id), "exit.json")));
  assert.equal(lab.ended, []);
  await lab.restart();
  assert.equal(
    lab.ended.map((result) => result.outcome),
    ["succeeded"],
  );
});

it("announces a result to every agent process until it is acknowledged, and then never", async ({
  lab,
}) => {
  const spec = runSpec("fail");
  await lab.run(spec);
  await lab.restart();
  assert.is(lab.ended.length, 2);
  lab.engine.acknowledge(spec.id);
  await lab.restart();
  assert.is(lab.ended.length, 2);
  assert.is(lab.engine.state(spec.id).state, "ended");
});

it("tells a listener that comes late what is not acknowledged", async ({ lab }) => {
  const specs = [runSpec("succeed"), runSpec("fail")];
  for (const spec of specs) await lab.run(spec);
  lab.engine.acknowledge(specs[0]?.id ?? "");
  const heard: string[] = [];
  lab.engine.onEnd((result) => heard.push(result.id));
  await until("what was missed", () => heard.length > 0);
  assert.equal(heard, [specs[1]?.id]);
});

it("reports a run as lost when its shim is killed, and leaves no process and no vars", async ({
  lab,
}) => {
  const spec = runSpec("stubborn", { vars: { password: "x" } });
  await lab.engine.ensure(spec);
  await until("the action's children", () =>
    commands(lab).some((line) => line.startsWith("sleep")),
  );
  kill(identityIn(lab, spec.id, "shim.json").pid, "SIGKILL");
  const result = await lab.end(spec.id);
  assert.is(result.outcome, "lost");
  assert.is(result.exitCode, null);
  assert.match(result.message, /was killed; how far the action came is unknown/);
  assert.equal(commands(lab), []);
  const files = readdirSync(lab.runFolder(spec.id));
  assert.not.ok(files.includes("vars.json"));
  assert.ok(files.includes("exit.json"), "its transcript is complete");
});

it("reports a run as lost when agent and shim were both killed, and never runs it again", async ({
  lab,
}) => {
  const counter = path.join(lab.dataDir, "counter");
  const spec = runSpec("counter", { vars: { counter } });
  await lab.engine.ensure(spec);
  await until("the action to run", () => existsSync(counter));
  await lab.engine.stop();
  kill(identityIn(lab, spec.id, "shim.json").pid, "SIGKILL");
  await lab.restart();
  const result = await lab.end(spec.id);
  assert.is(result.outcome, "lost");
  assert.is((await lab.engine.ensure(spec)).state, "ended");
  assert.is(readFileSync(counter, "utf8"), "started\n");
  await lab.restart();
  assert.is(lab.ended.at(-1)?.outcome, "lost", "the next agent comes to the same result");
});

it("reports a run of before the last boot as lost, and signals nobody", async ({ lab }) => {
  const spec = runSpec("hang");
  await lab.engine.ensure(spec);
  await until("the child to be known", () =>
    existsSync(path.join(lab.runFolder(spec.id), "child.json")),
  );
  await lab.engine.stop();
  // The same pids, as another boot may give them to processes that are none of ours.
  for (const file of ["shim.json", "child.json"]) {
    const identity = { ...identityIn(lab, spec.id, file), bootId: "another-boot" };
    writeFileSync(path.join(lab.runFolder(spec.id), file), JSON.stringify(identity));
  }
  await lab.restart();
  const result = await lab.end(spec.id);
  assert.is(result.outcome, "lost");
  assert.match(result.message, /rebooted/);
  assert.is(commands(lab).length, 2, "shim and action live, as they are not provably ours");
});

it("does not touch a session that has the pid of a dead child", async ({ lab }) => {
  const spec = runSpec("hang");
  await lab.engine.ensure(spec);
  await until("the child to be known", () =>
    existsSync(path.join(lab.runFolder(spec.id), "child.json")),
  );
  await lab.engine.stop();
  const own = identityIn(lab, spec.id, "child.json");
  kill(identityIn(lab, spec.id, "shim.json").pid, "SIGKILL");
  await until("the hang-up to end the action", () => commands(lab).length === 0);
  // As if the kernel had given the child's pid to the leader of somebody else's session.
  const stranger = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
  try {
    const reused = { ...own, pid: stranger.pid ?? 0 };
    writeFileSync(path.join(lab.runFolder(spec.id), "child.json"), JSON.stringify(reused));
    await lab.restart();
    assert.is((await lab.end(spec.id)).outcome, "lost");
    assert.is(stranger.exitCode ?? stranger.signalCode, null, "it lives");
  } finally {
    stranger.kill("SIGKILL");
  }
});

it("passes a cancel on that the last agent could store but not deliver", async ({ lab }) => {
  const spec = runSpec("hang");
  await lab.engine.ensure(spec);
  await lab.engine.stop();
  writeFileSync(
    path.join(lab.runFolder(spec.id), "cancel.json"),
    JSON.stringify({ reason: "cancelled by anna" }),
  );
  await lab.restart();
  const result = await lab.end(spec.id);
  assert.is(result.outcome, "cancelled");
  assert.is(result.message, "cancelled by anna");
});

it("forgets a run that was put on disk but never started, so that it can be asked for again", async ({
  lab,
}) => {
  const spec = runSpec("succeed");
  await lab.run(spec);
  await lab.engine.stop();
  for (const file of ["shim.json", "exit.json"]) {
    rmSync(path.join(lab.runFolder(spec.id), file));
  }
  await lab.restart();
  assert.is(lab.engine.state(spec.id).state, "unknown");
  assert.equal(readdirSync(path.join(lab.dataDir, "runs")), []);
  lab.ended.length = 0;
  assert.is((await lab.run(spec)).outcome, "succeeded");
});

it("says lost, not cancelled, when somebody else ends the shim", async ({ lab }) => {
  const spec = runSpec("hang");
  await lab.engine.ensure(spec);
  kill(identityIn(lab, spec.id, "shim.json").pid, "SIGTERM");
  const result = await lab.end(spec.id);
  assert.is(result.outcome, "lost");
  assert.match(result.message, /is the machine going down\?/);
  await until("every process to be gone", () => lab.processes().length === 0);
});

it.run();
