/**
 * Three agents on this machine through the whole life of a node, in under two minutes:
 *
 *   npm run demo              everything, cleaned up at the end
 *   npm run demo -- --keep    leaves the cluster running and says how to talk to it
 *
 * Every step is checked; the first that is not true ends the demo with exit code 1 and the reason.
 */
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { DemoAgent, fetchPage, freePort, muster, print, run } from "./demo/processes.ts";

const { values: flags } = parseArgs({ options: { keep: { type: "boolean", default: false } } });

class StepFailed extends Error {}

function check(isTrue: boolean, what: string): void {
  if (!isTrue) throw new StepFailed(what);
  print(`  ✓ ${what}`);
}

/** Waits for a fact, at most a minute. */
async function until(what: string, probe: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await probe().catch(() => false))) {
    if (performance.now() > deadline) throw new StepFailed(`not within a minute: ${what}`);
    await sleep(100);
  }
  print(`  ✓ ${what}`);
}

class Demo {
  readonly folder: string;
  readonly agents: DemoAgent[] = [];

  constructor(folder: string) {
    this.folder = folder;
  }

  get first(): DemoAgent {
    return this.agent(0);
  }

  agent(index: number): DemoAgent {
    const found = this.agents[index];
    if (found === undefined) throw new StepFailed(`there is no agent ${index}`);
    return found;
  }

  get running(): DemoAgent {
    const found = this.agents.find((agent) => agent.isRunning);
    if (found === undefined) throw new StepFailed("no agent runs");
    return found;
  }

  /** Shows a command as an operator would type it, runs it, shows what it printed. */
  async muster(args: readonly string[], on: DemoAgent = this.running): Promise<string> {
    print(`\n$ muster ${args.map((arg) => (arg.includes(" ") ? `'${arg}'` : arg)).join(" ")}`);
    const result = await on.cli(args);
    const output = result.stdout.trimEnd();
    if (output !== "") print(output);
    if (result.code !== 0) {
      throw new StepFailed(
        `muster ${args[0] ?? ""} ended with ${result.code}: ${result.stderr.trim()}`,
      );
    }
    return output;
  }

  /** Like `muster`, without showing it. */
  async ask<T>(args: readonly string[], on: DemoAgent = this.running): Promise<T> {
    const result = await on.cli([...args, "-o", "json"]);
    if (result.code !== 0) throw new StepFailed(result.stderr.trim());
    return JSON.parse(result.stdout) as T;
  }

  async dispose(): Promise<void> {
    for (const agent of this.agents) await agent.kill("SIGTERM");
    await rm(this.folder, { recursive: true, force: true });
  }
}

interface Status {
  readonly leader: { readonly name: string } | null;
  readonly voters: readonly unknown[];
}
interface Node {
  readonly name: string;
  readonly phase: string;
  readonly facts: object | null;
}

async function makeRepository(folder: string): Promise<string> {
  const repository = path.join(folder, "config");
  await cp(path.join(import.meta.dirname, "config"), repository, { recursive: true });
  const identity = ["-c", "user.name=demo", "-c", "user.email=demo@localhost"];
  for (const args of [
    ["init", "-q", "-b", "main"],
    ["add", "-A"],
    ["commit", "-q", "-m", "Example"],
  ]) {
    const result = await run("git", ["-C", repository, ...identity, ...args]);
    if (result.code !== 0) throw new StepFailed(`git ${args[0] ?? ""}: ${result.stderr}`);
  }
  return repository;
}

async function bootstrapCluster(demo: Demo): Promise<void> {
  print("== A cluster of three agents");
  for (const name of ["n1", "n2", "n3"]) {
    const ports = { port: await freePort(), web: await freePort() };
    demo.agents.push(new DemoAgent(demo.folder, name, ports));
  }
  const repository = await makeRepository(demo.folder);
  demo.first.start("bootstrap", ["--config-repo", repository]);
  await until("n1 forms the cluster and serves", async () => {
    if (!demo.first.isRunning) throw new StepFailed(`n1 ended:\n${demo.first.logTail()}`);
    return (await demo.ask<Status>(["status"])).leader?.name === "n1";
  });
  for (const agent of demo.agents.slice(1)) {
    const token = (await demo.first.cli(["token", "create"])).stdout.trim();
    const file = path.join(demo.folder, `${agent.name}.token`);
    await writeFile(file, token, { mode: 0o600 });
    const seed = `127.0.0.1:${demo.first.port}`;
    agent.start("agent", ["--join", seed, "--join-token-file", file]);
  }
  await until("all three are discovered, with facts, on every agent", async () => {
    for (const agent of demo.agents) {
      const nodes = await demo.ask<Node[]>(["nodes"], agent);
      if (nodes.length !== 3 || nodes.some((node) => node.facts === null)) return false;
    }
    return true;
  });
  await until("all three vote", async () => {
    return (await demo.ask<Status>(["status"])).voters.length === 3;
  });
  await until("the config repository is fetched", async () => {
    const config = await demo.ask<{ revision: object | null }>(["config", "show"]);
    return config.revision !== null;
  });
  await demo.muster(["status"]);
}

async function commissionNodes(demo: Demo): Promise<void> {
  print("\n== Commission: configuration is pushed, a web server runs on every node");
  const root = path.join(demo.folder, "sites");
  await demo.muster(["vars", "set", `root=${root}`]);
  for (const agent of demo.agents) {
    await demo.muster(["nodes", "vars", agent.name, `web_port=${agent.webPort}`]);
  }
  check((await fetchPage(demo.first.webPort)) === null, "nothing serves a page yet");
  await demo.muster(["commission", "--all", "--role", "web"]);
  await demo.muster(["nodes"]);
  for (const agent of demo.agents) {
    const page = await fetchPage(agent.webPort);
    check(page?.includes(`Hello from ${agent.name}`) === true, `${agent.name} serves its page`);
  }
  await demo.muster(["verify", "--all"]);
}

async function upgradeNodes(demo: Demo): Promise<void> {
  print("\n== Change a variable, upgrade");
  await demo.muster(["vars", "set", "greeting=Good morning"]);
  await demo.muster(["upgrade", "--all"]);
  for (const agent of demo.agents) {
    const page = await fetchPage(agent.webPort);
    check(
      page?.includes(`Good morning from ${agent.name}`) === true,
      `${agent.name} serves the new page`,
    );
  }
}

async function killLeader(demo: Demo): Promise<void> {
  print("\n== Kill the leader with SIGKILL");
  const before = await demo.ask<Status>(["status"]);
  const leader = demo.agents.find((agent) => agent.name === before.leader?.name);
  if (leader === undefined) throw new StepFailed("the leader is not known");
  await leader.kill("SIGKILL");
  print(`killed ${leader.name}`);
  await until("the survivors have a new leader", async () => {
    const { leader: now } = await demo.ask<Status>(["status"]);
    return now !== null && now.name !== leader.name;
  });
  const survivors = demo.agents.filter((agent) => agent.isRunning);
  for (const agent of survivors) await demo.muster(["nodes"], agent);
  await demo.muster(["vars", "set", "written_after=the leader died"]);
  for (const agent of survivors) {
    const seen = await demo.ask<{ value: string }>(["vars", "get", "written_after"], agent);
    check(seen.value === "the leader died", `${agent.name} has what was written`);
  }
  leader.start("agent", []);
  await until(`${leader.name} is back by itself`, async () => {
    const seen = await demo.ask<{ value: string }>(["vars", "get", "written_after"], leader);
    return seen.value === "the leader died";
  });
  await until(`${leader.name} is reachable again`, async () => {
    const nodes = await demo.ask<{ reachability: string }[]>(["nodes"]);
    return nodes.every((node) => node.reachability === "reachable");
  });
}

async function decommissionNodes(demo: Demo): Promise<void> {
  print("\n== Decommission: everything is taken away again");
  await demo.muster(["decommission", "--all"]);
  await demo.muster(["nodes"]);
  for (const agent of demo.agents) {
    check((await fetchPage(agent.webPort)) === null, `${agent.name} serves nothing any more`);
  }
  const nodes = await demo.ask<Node[]>(["nodes"]);
  check(
    nodes.every((node) => node.phase === "decommissioned"),
    "all nodes are decommissioned",
  );
}

function explainKeep(demo: Demo): void {
  print("\nThe cluster goes on. Talk to it:");
  for (const agent of demo.agents) {
    print(`  ${muster} --data-dir ${agent.dataDir} status`);
  }
  const pids = demo.agents.map((agent) => String(agent.child?.pid ?? "")).join(" ");
  print(`End it: kill ${pids} && rm -r ${demo.folder}`);
}

const begun = performance.now();
const demo = new Demo(await mkdtemp(path.join(os.tmpdir(), "muster-demo-")));
let kept = false;
try {
  await bootstrapCluster(demo);
  await commissionNodes(demo);
  await upgradeNodes(demo);
  await killLeader(demo);
  if (flags.keep) {
    kept = true;
    explainKeep(demo);
  } else {
    await decommissionNodes(demo);
  }
  print(`\nAll true, in ${((performance.now() - begun) / 1000).toFixed(0)} s.`);
} catch (error) {
  process.stderr.write(
    `\nThe demo failed: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  for (const agent of demo.agents) {
    process.stderr.write(`--- ${agent.name}, last lines of its log\n${agent.logTail()}\n`);
  }
  process.exitCode = 1;
} finally {
  if (!kept) {
    // Web servers that a failed demo leaves are the example's own: cleanup takes them away where it can.
    if (process.exitCode === 1) {
      await demo.agents.find((agent) => agent.isRunning)?.cli(["cleanup", "--all"]);
    }
    await demo.dispose();
  }
}
