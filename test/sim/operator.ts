/**
 * The operator of a simulated cluster: creates it, lets members in, and forgets those whose machines got a new agent.
 * Everything is tried again until it is done, through whichever agent answers.
 */
import { asPeerId } from "../../src/base/ids.ts";
import { type NodeId } from "../../src/consensus/core/types.ts";
import { type Command, type CommandResult } from "../../src/inventory/commands.ts";
import { defaultSettings } from "../../src/inventory/records.ts";
import { type SimCluster } from "./cluster.ts";
import { planJobRequest } from "../../src/lifecycle/job-request.ts";
import { manifestOf, roleSpec } from "../support/job-world.ts";
import { type SimProcess } from "./process.ts";
import { type SurvivorTimes } from "./profile.ts";
import { concerns, stream } from "./streams.ts";
import { runTimeoutMs } from "./works.ts";

const token = "join";
const retryMs = 400;
const timeoutMs = 2000;
const jobEveryMs = 3000;

export class Operator {
  readonly #cluster: SimCluster;
  readonly #random;
  readonly #tasks: Command[] = [];
  #busy = false;

  constructor(cluster: SimCluster, seed: number) {
    this.#cluster = cluster;
    this.#random = stream(seed, concerns.operator);
    cluster.onNewcomer = ({ id }, replaces) => this.#replace(id, replaces);
  }

  start(): void {
    const [first, ...others] = this.#cluster.nodes.map(({ id }) => id);
    if (first === undefined) return;
    const member = { id: asPeerId(first), name: first, address: first };
    this.#do({
      type: "cluster.create",
      cluster: { id: "simulated", name: "simulated", user: null },
      member,
    });
    const verifier = "0".repeat(64);
    this.#do({
      ...{ type: "token.create", id: token, kind: "join", verifier },
      ...{ role: null, name: null, uses: null, ttlMs: null },
    });
    const { survivor, fence } = this.#cluster.profile;
    if (survivor !== null) this.#do(survivorSettings(survivor, fence));
    for (const id of others) this.#do(admission(id));
    if (this.#cluster.profile.jobs) this.#prepareJobs();
  }

  /** A role for every node, and a job on whoever can take one, again and again. */
  #prepareJobs(): void {
    const role = roleSpec("base", { actions: ["configure", "verify"] });
    const actions = Object.entries(role.actions).map(
      ([name, action]) => [name, { ...action, timeoutMs: runTimeoutMs }] as const,
    );
    const manifest = manifestOf({ ...role, actions: Object.fromEntries(actions) });
    const source = { url: "file:///repo", ref: null };
    const bundle = { bundle: "00".repeat(32), bundleBytes: 1000, manifest };
    const by = asPeerId(this.#cluster.nodes[0]?.id ?? "");
    const result = { ok: true, commit: "rev1", ...bundle, by } as const;
    this.#do({ type: "config.source", source });
    this.#do({ type: "config.fetched", request: 1, source, result });
    for (const { id } of this.#cluster.nodes) {
      this.#do({ type: "node.patch", node: id, roles: ["base"] });
    }
    this.#requestJob(1);
  }

  #requestJob(number: number): void {
    this.#cluster.clock.after(jobEveryMs * (0.5 + this.#random.float()), () => {
      const process = this.#anyProcess();
      const view = process?.machine.view;
      const nodes = view?.nodes().filter((node) => node.job === null) ?? [];
      const action = nodes.every(({ phase }) => phase === "commissioned") ? "verify" : "commission";
      const names = nodes
        .filter(({ phase }) => (phase === "commissioned") === (action === "verify"))
        .map(({ name }) => name);
      if (process !== undefined && view !== undefined && names.length > 0) {
        const request = { action, nodes: names } as const;
        const planned = planJobRequest(view, request, { id: `job${number}` });
        const submitted = planned.ok
          ? process.writer.submit(planned.command, { by: "operator", timeoutMs })
          : Promise.resolve();
        submitted.catch(() => undefined);
      }
      this.#requestJob(number + 1);
    });
  }

  /** All that was to be done is done. */
  get idle(): boolean {
    return this.#tasks.length === 0;
  }

  /** An agent without a leader would only let the operator wait. */
  #anyProcess(): SimProcess | undefined {
    const processes = this.#cluster
      .processes()
      .filter(({ consensus }) => consensus.status().leader !== null);
    return processes[this.#random.below(Math.max(1, processes.length))];
  }

  #replace(id: NodeId, replaces: NodeId): void {
    this.#do(admission(id));
    this.#do({ type: "node.forget", node: replaces, force: true });
  }

  #do(command: Command): void {
    this.#tasks.push(command);
    if (!this.#busy) this.#next(10);
  }

  #next(delayMs: number): void {
    this.#busy = this.#tasks.length > 0;
    if (this.#busy) this.#cluster.clock.after(delayMs, () => this.#try());
  }

  #try(): void {
    const task = this.#tasks[0];
    const process = this.#anyProcess();
    if (task === undefined || process === undefined) {
      this.#next(retryMs);
      return;
    }
    let over = false;
    const end = (done: boolean): void => {
      if (over) return;
      over = true;
      if (done) this.#tasks.shift();
      this.#next(done ? 1 : retryMs);
    };
    this.#cluster.clock.after(timeoutMs + retryMs, () => end(false));
    process.writer.submit(task, { by: "operator", timeoutMs }).then(
      (result) => end(isDone(result)),
      () => end(false),
    );
  }
}

function admission(id: NodeId): Command {
  return { type: "member.admit", id: asPeerId(id), name: id, address: id, token };
}

function survivorSettings({ silenceMs, coldMs }: SurvivorTimes, fences: boolean): Command {
  const fence = fences ? { command: ["/bin/fence"], timeoutMs: 10_000 } : null;
  const survivor = { auto: "silence" as const, silenceMs, coldMs, hold: false, fence };
  return { type: "settings.put", settings: { ...defaultSettings, survivor } };
}

/** Carried out, now or before. */
function isDone(result: CommandResult): boolean {
  return result.ok || ["ALREADY_EXISTS", "NOT_FOUND", "MEMBER_EVICTED"].includes(result.code);
}
