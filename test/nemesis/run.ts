/**
 * One run: clients at work, a nemesis at theirs; then peace, and judgement. In the order of etcd's robustness tests:
 * was there progress, is the history linearizable, is every event there once, are all replicas one.
 */
import { mkdirSync, writeFileSync, copyFileSync, existsSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { errorMessage } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { defaultBudget } from "../linearizability/budget.ts";
import { judgeText } from "../linearizability/history-text.ts";
import { Recorder } from "../linearizability/recorder.ts";
import { type Lab } from "../support/lab/lab.ts";
import { until } from "../support/until.ts";
import { compareStates } from "./convergence.ts";
import { EventFollower } from "./event-followers.ts";
import { compareStreams, compareWithWrites } from "./event-streams.ts";
import { Counter, Tokens } from "./exactly-once.ts";
import { judgeGenerations } from "./generations.ts";
import { Journal } from "./journal.ts";
import { Kept } from "./kept.ts";
import { Lists } from "./lists.ts";
import { type Nemesis, Siege, whole } from "./nemesis.ts";
import { Registers } from "./registers.ts";
import { runClients, type Field, type Workload } from "./workload.ts";

export interface RunOptions {
  readonly lab: Lab;
  readonly nemesis: Nemesis;
  /** Strikes go on for so long; there is at least one. */
  readonly seconds: number;
  readonly seed: number;
  readonly log: (line: string) => void;
}

export interface RunReport {
  readonly nemesis: string;
  readonly seed: number;
  readonly strikes: number;
  readonly acknowledged: number;
  readonly reads: number;
  readonly refused: number;
  readonly failed: number;
  readonly unknown: number;
  readonly events: number;
  readonly longestGapMs: number;
  readonly problems: readonly string[];
  /** What was seen, when there are problems. */
  readonly folder: string | null;
}

/** Mean pause of a client between two requests: enough load to see faults, little enough for two cores. */
const clientPauseMs = 15;
/** Every write is a variable of its own, and there may be some thousand. */
const keptPauseMs = 150;
const judgeSeconds = 60;

interface Scene extends RunOptions {
  readonly field: Field;
  readonly workloads: readonly Workload[];
  readonly followers: readonly EventFollower[];
}

export async function runNemesis(options: RunOptions): Promise<RunReport> {
  const { lab, nemesis, seed } = options;
  const stop = new AbortController();
  const field: Field = {
    agents: lab.agents,
    recorder: new Recorder(),
    journal: new Journal(),
    prefix: `${nemesis.name}-${Date.now().toString(36)}-`,
    signal: stop.signal,
  };
  const since = await lastIndex(lab);
  const kept = nemesis.promise === "kept";
  const scene: Scene = {
    ...options,
    field,
    workloads: kept
      ? [new Kept(), new Registers()]
      : [new Registers(), new Lists(), new Counter(), new Tokens()],
    followers: kept ? [] : lab.agents.map((agent) => new EventFollower(agent, since)),
  };
  const pauseMs = kept ? keptPauseMs : clientPauseMs;
  const clients = runClients(scene.workloads, field, { seed, pauseMs });
  let strikes = 0;
  const { problems } = field.journal;
  try {
    strikes = await besiege(scene);
  } catch (error) {
    problems.push(errorMessage(error));
  }
  try {
    await peace(scene);
    stop.abort();
    await clients;
    await judge(scene);
  } catch (error) {
    problems.push(errorMessage(error));
  } finally {
    stop.abort();
    await Promise.all(scene.followers.map((follower) => follower.stop()));
  }
  const { acknowledged, reads, refused, failed, unknown, longestGapMs } = field.journal;
  return {
    ...{ nemesis: nemesis.name, seed, strikes, acknowledged, reads, refused, failed, unknown },
    ...{ longestGapMs: Math.round(longestGapMs), problems },
    events: scene.followers[0]?.events.length ?? 0,
    folder: problems.length === 0 ? null : keep(scene),
  };
}

async function besiege({ lab, nemesis, field, seconds, seed, log }: Scene): Promise<number> {
  const siege = new Siege(lab, {
    random: seededRandom(seed),
    journal: field.journal,
    log,
    endMs: performance.now() + seconds * 1000,
  });
  await siege.progress("before the first strike");
  let strikes = 0;
  do {
    await nemesis.strike(siege);
    strikes += 1;
  } while (!siege.over);
  return strikes;
}

async function peace({ lab, field }: Scene): Promise<void> {
  await lab.heal();
  for (const agent of lab.agents) await lab.cluster.ready(agent, lab.agents.length);
  const goal = field.journal.acknowledged + 20;
  await until({ what: "writes go on in peace" }, () => field.journal.acknowledged >= goal);
}

async function judge(scene: Scene): Promise<void> {
  const { field, workloads, followers, lab, nemesis, log } = scene;
  const { problems } = field.journal;
  if (nemesis.promise === "kept") await whole(lab);
  for (const workload of workloads) await workload.check(field);
  const end = performance.now() + judgeSeconds * 1000;
  const budget = { ...defaultBudget, isTimeUp: () => performance.now() > end };
  if (nemesis.promise === "kept") {
    const { judged, problems: found } = judgeGenerations(field.recorder, budget);
    log(`histories judged: ${judged.join(", ")}`);
    problems.push(...found);
  } else {
    const { verdict, reason } = judgeText("history", field.recorder.text(), budget);
    if (verdict !== "ok") problems.push(`The history is not linearizable (${verdict}): ${reason}`);
  }
  const last = await markEnd(scene);
  for (const follower of followers) await follower.reached(last);
  problems.push(...compareStreams(followers, last));
  const [first] = followers;
  if (first !== undefined) problems.push(...compareWithWrites(first.events, field.journal));
  problems.push(...(await compareStates(lab.agents, last)));
}

/** A last write, whose event all must see. Resolves with its index. */
async function markEnd({ lab, field }: Scene): Promise<number> {
  const body = { value: Math.random() };
  return until({ what: "the last write is taken" }, async () => {
    const answer = await lab.cluster.live().api("PUT", `/v1/vars/${field.prefix}end`, { body });
    return answer.status === 200 ? (answer.json as { version: number }).version : null;
  });
}

async function lastIndex({ cluster }: Lab): Promise<number> {
  const { appliedIndex } = await cluster.live().get<{ appliedIndex: number }>("/v1/status");
  return appliedIndex;
}

/** Writes the history, the events and the agents' logs where a person can look at them. */
function keep({ lab, nemesis, seed, field, followers }: Scene): string {
  const name = `muster-nemesis-${nemesis.name}-${seed}-${Date.now().toString(36)}`;
  const folder = path.join(os.tmpdir(), name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "history.edn"), field.recorder.text());
  writeFileSync(path.join(folder, "problems.txt"), `${field.journal.problems.join("\n")}\n`);
  for (const { agent, events } of followers) {
    const lines = events.map((event) => JSON.stringify(event));
    writeFileSync(path.join(folder, `${agent.name}.events.jsonl`), `${lines.join("\n")}\n`);
  }
  for (const { logFile } of lab.agents) {
    if (existsSync(logFile)) copyFileSync(logFile, path.join(folder, path.basename(logFile)));
  }
  return folder;
}
