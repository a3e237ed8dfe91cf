import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AgentError } from "../../../src/base/errors.ts";
import { type JsonObject } from "../../../src/base/json.ts";
import { type LocalRunState, type RunSpec } from "../../../src/config-engine/ports.ts";
import { type CurrentRun, type FinishedRun } from "../../../src/inventory/records.ts";
import { planJobs } from "../../../src/lifecycle/job-planner.ts";
import { RunReconciler } from "../../../src/lifecycle/run-reconciler.ts";
import { type RunVarsStore } from "../../../src/lifecycle/run-vars-store.ts";
import { finished, peer } from "../../support/inventory.ts";
import { JobWorld } from "../../support/job-world.ts";
import { Replica } from "../../support/replica.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("lifecycle: run reconciler");

/** An engine that remembers, across restarts of the agent, what it was asked for. */
class FakeEngine {
  readonly name = "fake-engine";
  readonly specs: RunSpec[] = [];
  readonly cancelled: string[] = [];
  readonly acknowledged: string[] = [];
  readonly states = new Map<string, LocalRunState>();
  failure: string | null = null;
  #listeners = new Set<(result: FinishedRun) => void>();

  ensure(spec: RunSpec): Promise<LocalRunState> {
    if (this.failure !== null)
      return Promise.reject(new AgentError("RUN_NOT_STARTED", this.failure));
    const known = this.state(spec.id);
    if (known.state !== "unknown") return Promise.resolve(known);
    this.specs.push(spec);
    this.states.set(spec.id, { state: "running", startedAt: 1 });
    return Promise.resolve(this.state(spec.id));
  }

  state(id: string): LocalRunState {
    return this.states.get(id) ?? { state: "unknown" };
  }

  running(): readonly string[] {
    return [...this.states].filter(([, state]) => state.state === "running").map(([id]) => id);
  }

  cancel(id: string): void {
    this.cancelled.push(id);
  }

  acknowledge(id: string): void {
    this.acknowledged.push(id);
  }

  onEnd(listener: (result: FinishedRun) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  end(run: CurrentRun, parts: Partial<FinishedRun> = {}): void {
    const result = finished(run, parts);
    this.states.set(run.id, { state: "ended", result });
    for (const listener of this.#listeners) listener(result);
  }

  start = (): Promise<void> => Promise.resolve();
  stop = (): Promise<void> => Promise.resolve();
}

class MemoryVars implements RunVarsStore {
  readonly kept = new Map<string, JsonObject>();
  read(run: string): Promise<JsonObject | null> {
    return Promise.resolve(this.kept.get(run) ?? null);
  }
  write(run: string, vars: JsonObject): Promise<void> {
    this.kept.set(run, vars);
    return Promise.resolve();
  }
  remove(run: string): Promise<void> {
    this.kept.delete(run);
    return Promise.resolve();
  }
}

class Machine {
  readonly clock = new VirtualClock();
  readonly world = new JobWorld(["n1", "n2"]);
  readonly replica = new Replica(this.world.inventory, this.clock);
  readonly engine = new FakeEngine();
  readonly vars = new MemoryVars();
  readonly bundles: string[] = [];
  bundleFailure: string | null = null;
  #reconciler: RunReconciler | null = null;
  readonly job: string;

  constructor() {
    this.world.inventory.at = this.clock.wallMs();
    this.world.assign("n1", "base");
    this.job = this.world.request("commission", ["n1"]);
  }

  async boot(): Promise<void> {
    this.#reconciler = new RunReconciler(
      { self: peer("n1"), bundlePatienceMs: 5000 },
      {
        ...this.replica.deps,
        engine: this.engine,
        vars: this.vars,
        ensureBundle: ({ commit }) => {
          this.bundles.push(commit);
          if (this.bundleFailure === null) return Promise.resolve();
          return Promise.reject(new AgentError("BUNDLE_UNAVAILABLE", this.bundleFailure));
        },
      },
    );
    await this.#reconciler.start();
    await this.clock.advance(1);
  }

  async halt(): Promise<void> {
    await this.#reconciler?.stop();
    this.#reconciler = null;
  }

  /** The leader does what is due, once. */
  plan(): void {
    for (const command of planJobs(this.world.view, this.clock.wallMs()).commands) {
      this.replica.apply(command);
    }
  }

  /** Begins the node's work and its first run. */
  beginRun(): CurrentRun {
    this.plan();
    this.plan();
    const { current } = this.world.work(this.job);
    assert.ok(current);
    return current;
  }

  finishes(): readonly string[] {
    return this.replica.proposed.flatMap((command) =>
      command.type === "run.finish" ? [`${command.result.id} ${command.result.outcome}`] : [],
    );
  }
}

async function booted(): Promise<Machine> {
  const machine = new Machine();
  await machine.boot();
  return machine;
}

it("starts what the inventory says its node runs, with all it needs", async () => {
  const machine = await booted();
  machine.replica.apply({ type: "var.put", key: "port", value: 80 });
  const run = machine.beginRun();
  await machine.clock.advance(10);
  assert.equal(machine.bundles, ["rev1"]);
  const [spec] = machine.engine.specs;
  assert.is(spec?.id, run.id);
  assert.is(spec?.path, "base/configure");
  assert.is(spec?.timeoutMs, 60_000);
  assert.equal(spec?.vars, { port: 80 });
  assert.equal(Object.keys(spec?.inventory["nodes"] ?? {}), ["n1", "n2"]);
  assert.equal(machine.finishes(), []);
  await machine.halt();
});

it("starts nothing that is meant for another node", async () => {
  const machine = await booted();
  machine.world.assign("n2", "base");
  machine.world.request("commission", ["n2"]);
  machine.beginRun();
  await machine.clock.advance(10);
  assert.equal(
    machine.engine.specs.map((spec) => spec.node),
    ["n1"],
  );
  await machine.halt();
});

it("starts nothing before the replica is confirmed, however long that takes", async () => {
  const machine = await booted();
  machine.replica.hasQuorum = false;
  machine.beginRun();
  await machine.clock.advance(30_000);
  assert.equal(machine.engine.specs, []);
  machine.replica.hasQuorum = true;
  await machine.clock.advance(2000);
  assert.is(machine.engine.specs.length, 1);
  await machine.halt();
});

it("does not start a run that was given up while it waited", async () => {
  const machine = await booted();
  machine.replica.hasQuorum = false;
  const run = machine.beginRun();
  await machine.clock.advance(3000);
  machine.world.report(machine.world.job(machine.job), "n1", finished(run, { outcome: "lost" }));
  machine.replica.notify();
  machine.replica.hasQuorum = true;
  await machine.clock.advance(5000);
  assert.equal(machine.engine.specs, []);
  await machine.halt();
});

it("reports the end with the vars the run was given, and lets the engine forget it", async () => {
  const machine = await booted();
  const run = machine.beginRun();
  await machine.clock.advance(10);
  machine.replica.apply({ type: "var.put", key: "late", value: 1 });
  machine.engine.end(run);
  await machine.clock.advance(10);
  assert.equal(machine.finishes(), [`${run.id} succeeded`]);
  const entry = machine.world.view.ledgerEntry("n1", run.id);
  assert.equal(entry?.vars, {});
  assert.equal(entry?.transcripts, [peer("n1")]);
  assert.equal(machine.engine.acknowledged, [run.id]);
  assert.is(machine.vars.kept.size, 0);
  await machine.halt();
});

it("reports until the inventory takes it", async () => {
  const machine = await booted();
  const run = machine.beginRun();
  await machine.clock.advance(10);
  machine.replica.failures.push("NO_LEADER", "UNKNOWN_OUTCOME", "BUSY");
  machine.engine.end(run);
  await machine.clock.advance(10);
  assert.equal(machine.engine.acknowledged, []);
  await machine.clock.advance(5000);
  assert.equal(machine.finishes(), [`${run.id} succeeded`]);
  await machine.halt();
});

it("after a restart does not start the run again, and reports an end it slept through", async () => {
  const machine = await booted();
  const run = machine.beginRun();
  await machine.clock.advance(10);
  await machine.halt();
  machine.replica.apply({ type: "var.put", key: "late", value: 1 });
  await machine.boot();
  assert.is(machine.engine.specs.length, 1);
  await machine.halt();
  machine.engine.end(run, { outcome: "failed", exitCode: 3 });
  await machine.boot();
  assert.equal(machine.finishes(), [`${run.id} failed`]);
  assert.equal(machine.world.view.ledgerEntry("n1", run.id)?.vars, {});
  assert.is(machine.engine.specs.length, 1);
  await machine.halt();
});

it("cancels the run of a job that is cancelled, and reports what the engine says", async () => {
  const machine = await booted();
  const run = machine.beginRun();
  await machine.clock.advance(10);
  machine.replica.apply({ type: "job.cancel", job: machine.job });
  await machine.clock.advance(10);
  assert.equal(machine.engine.cancelled, [run.id]);
  machine.engine.end(run, { outcome: "cancelled", exitCode: null });
  await machine.clock.advance(10);
  assert.equal(machine.finishes(), [`${run.id} cancelled`]);
  await machine.halt();
});

it("lets the clean-up after a cancelled commission run to its end", async () => {
  const machine = await booted();
  const run = machine.beginRun();
  await machine.clock.advance(10);
  machine.replica.apply({ type: "job.cancel", job: machine.job });
  await machine.clock.advance(10);
  machine.engine.end(run, { outcome: "cancelled", exitCode: null });
  await machine.clock.advance(10);
  machine.plan();
  await machine.clock.advance(10);
  assert.is(machine.engine.specs.at(-1)?.action, "cleanup");
  assert.equal(machine.engine.cancelled, [run.id]);
  await machine.halt();
});

it("reports a run cancelled that it had not started", async () => {
  const machine = new Machine();
  const run = machine.beginRun();
  machine.replica.apply({ type: "job.cancel", job: machine.job });
  await machine.boot();
  await machine.clock.advance(10);
  assert.equal(machine.engine.specs, []);
  assert.equal(machine.finishes(), [`${run.id} cancelled`]);
  await machine.halt();
});

it("cancels what the inventory no longer has, but never on the word of a replica that is behind", async () => {
  const machine = await booted();
  machine.engine.states.set("old/n1/base/configure/1", { state: "running", startedAt: 1 });
  machine.replica.hasQuorum = false;
  machine.replica.notify();
  await machine.clock.advance(5000);
  assert.equal(machine.engine.cancelled, []);
  machine.replica.hasQuorum = true;
  await machine.clock.advance(2000);
  assert.ok(machine.engine.cancelled.includes("old/n1/base/configure/1"));
  await machine.halt();
});

it("starts a run only when the one it cancelled has ended", async () => {
  const machine = await booted();
  const old = machine.beginRun();
  await machine.clock.advance(10);
  machine.world.report(machine.world.job(machine.job), "n1", finished(old, { outcome: "lost" }));
  machine.plan();
  const { current: next } = machine.world.work(machine.job);
  assert.is(next?.action, "cleanup");
  await machine.clock.advance(5000);
  assert.equal([...new Set(machine.engine.cancelled)], [old.id]);
  assert.is(machine.engine.specs.length, 1);
  machine.engine.end(old, { outcome: "cancelled", exitCode: null });
  await machine.clock.advance(10);
  assert.is(machine.engine.specs.at(-1)?.id, next?.id);
  await machine.halt();
});

it("fails a run whose bundle cannot be had, with the reason, after some patience", async () => {
  const machine = await booted();
  machine.bundleFailure = "no peer has it";
  const run = machine.beginRun();
  await machine.clock.advance(3000);
  assert.equal(machine.finishes(), []);
  await machine.clock.advance(4000);
  assert.equal(machine.finishes(), [`${run.id} failed`]);
  assert.match(machine.world.work(machine.job).runs[0]?.message ?? "", /no peer has it/);
  assert.ok(machine.bundles.length > 2);
  await machine.halt();
});

it("goes on when the bundle can be had after all", async () => {
  const machine = await booted();
  machine.bundleFailure = "no peer has it";
  machine.beginRun();
  await machine.clock.advance(3000);
  machine.bundleFailure = null;
  await machine.clock.advance(3000);
  assert.is(machine.engine.specs.length, 1);
  await machine.halt();
});

it("fails a run that the engine cannot start, with the reason", async () => {
  const machine = await booted();
  machine.engine.failure = "ENOSPC: no space left on device";
  const run = machine.beginRun();
  await machine.clock.advance(100);
  assert.equal(machine.finishes(), [`${run.id} failed`]);
  assert.match(machine.world.work(machine.job).runs[0]?.message ?? "", /ENOSPC/);
  await machine.halt();
});

it("does not fail a later run for the failure of an earlier one", async () => {
  const machine = await booted();
  machine.engine.failure = "ENOSPC";
  machine.beginRun();
  await machine.clock.advance(100);
  machine.engine.failure = null;
  machine.plan();
  await machine.clock.advance(100);
  assert.is(machine.engine.specs.at(-1)?.action, "cleanup");
  await machine.halt();
});

it.run();
