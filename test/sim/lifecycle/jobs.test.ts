/**
 * Jobs under everything that can go wrong around the planner, in virtual time, from one seed each: leaders that
 * change in the middle of a plan (old plans are applied late, in part, twice), targets that answer late, twice or
 * never, nodes that come and go or are forgotten, operators who cancel, pause, resume and retry. Whatever
 * happens: every job ends, no node stays in a passing phase or held, each run is in the ledger once, and what a
 * role's ledger says fits what the inventory says is on the node.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Random, seededRandom } from "../../../src/base/random.ts";
import { type Command } from "../../../src/inventory/commands.ts";
import {
  type CurrentRun,
  type FinishedRun,
  type JobAction,
  jobActions,
} from "../../../src/inventory/records.ts";
import { canBegin, isPassing } from "../../../src/inventory/transitions.ts";
import { planJobs } from "../../../src/lifecycle/job-planner.ts";
import { planJobRequest } from "../../../src/lifecycle/job-request.ts";
import { isCancellable } from "../../../src/lifecycle/node-step.ts";
import { varsOfRun } from "../../../src/lifecycle/run-vars.ts";
import { finished, peer, setRevision } from "../../support/inventory.ts";
import { JobWorld, manifestOf, roleSpec } from "../../support/job-world.ts";

const it = suite("jobs simulation");
const seeds = Number(process.env["MUSTER_SIM_SEEDS"] ?? 100);
const names = ["n1", "n2", "n3", "n4"];
const manifests = ["rev1", "rev2", "rev3"].map((_, version) =>
  manifestOf(
    roleSpec("base", { actions: ["configure", "verify", "cleanup"] }),
    roleSpec("web", {
      requires: ["base"],
      actions:
        version === 0 ? ["configure", "cleanup"] : ["configure", "upgrade", "verify", "cleanup"],
    }),
    roleSpec("db", { actions: version === 2 ? ["configure"] : ["configure", "verify", "cleanup"] }),
  ),
);

/** A run under way on its target: what came of it is decided when it began. */
interface Running {
  readonly run: CurrentRun;
  readonly job: string;
  readonly node: string;
  readonly result: FinishedRun | null;
  readonly dueAt: number;
}

class Simulation {
  readonly world = new JobWorld(names, manifests[0]);
  readonly #random: Random;
  /** What each agent started, by run id: asked twice, it has what it has. */
  readonly #targets = new Map<string, Running>();
  /** Plans of leaders that were deposed, to be applied late. */
  readonly #late: Command[] = [];
  #created = 0;
  #revision = 0;
  starts = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    for (const name of names) this.world.assign(name, "web");
  }

  #chance(percent: number): boolean {
    return this.#random.below(100) < percent;
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[this.#random.below(items.length)];
    assert.ok(item !== undefined);
    return item;
  }

  /** One step of a stormy time. */
  storm(): void {
    this.world.inventory.at += this.#random.below(20_000);
    if (this.#chance(35)) this.#operate();
    if (this.#chance(10)) this.#moveNode();
    this.#lead();
    this.#serve();
  }

  /** One step of a calm time: a lasting leader, reachable nodes, no operator. */
  calm(): boolean {
    const plan = planJobs(this.world.view, this.world.inventory.at);
    for (const command of plan.commands) this.world.inventory.send(command);
    const served = this.#serve();
    if (plan.commands.length > 0 || served) return true;
    const dueAt = Math.min(plan.wakeAt ?? Infinity, ...this.#dueTimes());
    if (dueAt === Infinity) return false;
    this.world.inventory.at = Math.max(dueAt, this.world.inventory.at + 1);
    return true;
  }

  #dueTimes(): readonly number[] {
    const current = this.world.view
      .activeJobs()
      .flatMap((job) => Object.values(job.nodes).map((work) => work.current?.id ?? ""));
    return current.map((id) => this.#targets.get(id)?.dueAt ?? Infinity);
  }

  /** A leader plans; part of it may be lost, doubled, or held back until another leads. */
  #lead(): void {
    const { commands } = planJobs(this.world.view, this.world.inventory.at);
    for (const command of commands) {
      if (this.#chance(10)) this.#late.push(command);
      if (this.#chance(20)) continue;
      this.world.inventory.send(command);
      if (this.#chance(15)) this.world.inventory.send(command);
    }
    if (this.#chance(50)) {
      const late = this.#late.shift();
      if (late !== undefined) this.world.inventory.send(late);
    }
  }

  /** Every reachable agent looks at its replica: starts, cancels and reports its run. */
  #serve(): boolean {
    let changed = false;
    for (const name of names) {
      const node = this.world.view.node(name);
      if (node === null || node.reachability !== "reachable") continue;
      const job = node.job === null ? null : this.world.view.job(node.job);
      const run = job?.nodes[name]?.current ?? null;
      if (job === null || run === null) continue;
      const known = this.#targets.get(run.id) ?? this.#start(job.id, name, run);
      const stops = job.cancelRequested && isCancellable(job, run) && this.#chance(80);
      if (stops) changed = this.#report(known, { outcome: "cancelled", exitCode: null }) || changed;
      else if (this.world.inventory.at >= known.dueAt && known.result !== null) {
        changed = this.#report(known, known.result) || changed;
      }
    }
    return changed;
  }

  #start(job: string, node: string, run: CurrentRun): Running {
    this.starts += 1;
    const at = this.world.inventory.at;
    const result = this.#outcome(run);
    const running = {
      run,
      job,
      node,
      result,
      dueAt: result === null ? Infinity : at + this.#random.below(90_000),
    };
    this.#targets.set(run.id, running);
    return running;
  }

  /** Null: the machine lost it, and nothing will ever be heard of it. */
  #outcome(run: CurrentRun): FinishedRun | null {
    if (this.#chance(4)) return null;
    if (this.#chance(86)) return finished(run);
    if (run.action === "verify" && this.#chance(60))
      return finished(run, { outcome: "drifted", exitCode: 2 });
    if (this.#chance(20)) return finished(run, { outcome: "timed-out", exitCode: null });
    return finished(run, { outcome: "failed", exitCode: 1 });
  }

  #report(running: Running, parts: Partial<FinishedRun>): boolean {
    const { run, node } = running;
    const job = this.world.view.job(running.job);
    if (job === null) return false;
    const result = finished(run, parts);
    const vars = varsOfRun(this.world.view, job, { node, run });
    const given = { vars, varsDigest: "d", transcripts: [peer(node)] };
    const command = { type: "run.finish", job: job.id, node, result, ...given } as const;
    const answer = this.world.inventory.send(command);
    if (this.#chance(20)) this.world.inventory.send(command);
    return answer.ok;
  }

  #operate(): void {
    const { inventory, view } = this.world;
    const job = view.jobs().at(-1 - this.#random.below(3))?.id ?? "none";
    switch (this.#random.below(12)) {
      case 0:
        return void inventory.send({ type: "job.cancel", job });
      case 1:
        return void inventory.send({ type: "job.pause", job });
      case 2:
        return void inventory.send({ type: "job.resume", job });
      case 3:
        return void inventory.send({ type: "job.retry", job });
      case 4:
        return this.#assign();
      case 5:
        return this.#revise();
      default:
        return this.#request();
    }
  }

  #assign(): void {
    const roles = ["base", "web", "db"].filter(() => this.#chance(50));
    this.world.inventory.send({ type: "node.patch", node: this.#pick(names), roles });
  }

  #revise(): void {
    this.#revision = (this.#revision + 1) % manifests.length;
    setRevision(this.world.inventory, `rev${this.#revision + 1}`, manifests[this.#revision]);
  }

  #request(): void {
    this.#created += 1;
    const action = this.#pick(jobActions);
    const nodes = names.filter((name) => this.#chance(60) && this.#mayBegin(action, name));
    const strategy = {
      batch: 1 + this.#random.below(2),
      onFailure: this.#pick(["continue", "pause"]),
    };
    const planned = planJobRequest(
      this.world.view,
      {
        action,
        nodes,
        strategy,
        force: this.#chance(20),
        ...(this.#chance(20) ? { roles: [this.#pick(["base", "web", "db"])] } : {}),
      },
      { id: `j${String(this.#created).padStart(4, "0")}` },
    );
    if (planned.ok) this.world.inventory.ok(planned.command);
  }

  #mayBegin(action: JobAction, name: string): boolean {
    const node = this.world.view.node(name);
    if (node === null || (node.reachability !== "reachable" && this.#chance(80))) return false;
    return node.job !== null || canBegin(action, node.phase);
  }

  #moveNode(): void {
    const node = this.world.view.node(this.#pick(names));
    if (node === null) return;
    if (this.#chance(3) && node.name === "n4") {
      this.world.inventory.send({ type: "node.forget", node: node.name, force: true });
      return;
    }
    if (node.reachability === "reachable" && this.#chance(60)) return;
    const reachability = node.reachability === "reachable" ? "unreachable" : "reachable";
    this.world.inventory.send({
      type: "node.reachability",
      changes: [{ id: node.id, reachability }],
    });
  }

  bringBack(): void {
    for (const node of this.world.view.nodes()) this.world.find(node.name);
    for (const job of this.world.view.activeJobs()) {
      if (job.status === "paused") this.world.inventory.ok({ type: "job.resume", job: job.id });
    }
  }
}

/** What must hold at any time. */
function checkAlways({ world }: Simulation): void {
  for (const node of world.view.nodes()) {
    const job = node.job === null ? null : world.view.job(node.job);
    if (isPassing(node.phase)) {
      assert.ok(job, `${node.name} is ${node.phase} without a job`);
      assert.is(job?.nodes[node.name]?.status, "running", `${node.name} is ${node.phase}`);
    }
  }
}

/** What must hold when everything ended. */
function checkEnded(simulation: Simulation): void {
  const { world } = simulation;
  assert.equal(
    world.view.activeJobs().map((job) => [job.id, job.status]),
    [],
  );
  for (const node of world.view.nodes()) {
    assert.is(node.job, null, `${node.name} is still held`);
    assert.not.ok(isPassing(node.phase), `${node.name} is ${node.phase}`);
    const held = node.phase === "commissioned" && node.revision === null;
    assert.not.ok(held, `${node.name} is commissioned at no revision`);
    checkApplied(simulation, node.name);
  }
  for (const job of world.view.jobs()) checkJob(simulation, job.id);
}

function checkJob({ world }: Simulation, id: string): void {
  const job = world.job(id);
  assert.is.not(job.endedAt, null);
  for (const [name, work] of Object.entries(job.nodes)) {
    assert.is(work.current, null);
    assert.not.ok(
      work.status === "running" || work.status === "pending",
      `${id} ${name} ${work.status}`,
    );
    const ids = work.runs.map((run) => run.id);
    assert.is(new Set(ids).size, ids.length, `${id} has a run twice`);
    if (world.view.node(name) === null) continue;
    for (const run of ids)
      assert.ok(world.view.ledgerEntry(name, run), `${run} is not in the ledger`);
  }
  const failed = Object.values(job.nodes).some((work) => work.status === "failed");
  if (failed) assert.is.not(job.status, "succeeded");
}

/** A role that was pushed and not cleaned up since is on the node's list, and nothing else is. */
function checkApplied({ world }: Simulation, name: string): void {
  const there = new Set<string>();
  for (const run of world.view.ledger(name)) {
    if (run.action === "configure" || run.action === "upgrade") there.add(run.role);
    else if (run.action === "cleanup" && run.outcome === "succeeded") there.delete(run.role);
  }
  for (const role of world.node(name).appliedRoles) {
    assert.ok(there.has(role), `${name} lists ${role}, which the ledger says is gone`);
    there.delete(role);
  }
  // A role without a clean-up is taken off the list with the others.
  for (const role of there) assert.is(role, "db", `${name} does not list ${role}`);
}

for (let seed = 1; seed <= seeds; seed += 1) {
  it(`seed ${seed}: every job ends, and nothing is left half done`, () => {
    const simulation = new Simulation(seed);
    for (let step = 0; step < 400; step += 1) {
      simulation.storm();
      checkAlways(simulation);
    }
    let steps = 0;
    for (let round = 0; round < 20; round += 1) {
      simulation.bringBack();
      while (simulation.calm()) {
        checkAlways(simulation);
        steps += 1;
        assert.ok(steps < 5000, "jobs go on for ever");
      }
    }
    checkEnded(simulation);
    assert.ok(simulation.starts > 10, "too little happened");
  });
}

it.run();
