/**
 * The operator of a simulated cluster: creates it, lets members in, and forgets those whose machines got a new agent.
 * Everything is tried again until it is done, through whichever agent answers.
 */
import { asPeerId } from "../../src/base/ids.ts";
import { type NodeId } from "../../src/consensus/core/types.ts";
import { type Command, type CommandResult } from "../../src/inventory/commands.ts";
import { defaultSettings } from "../../src/inventory/records.ts";
import { type SimCluster } from "./cluster.ts";
import { type SurvivorTimes } from "./profile.ts";
import { concerns, stream } from "./streams.ts";

const token = "join";
const retryMs = 400;
const timeoutMs = 2000;

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
    const { survivor } = this.#cluster.profile;
    if (survivor !== null) this.#do(survivorSettings(survivor));
    for (const id of others) this.#do(admission(id));
  }

  /** All that was to be done is done. */
  get idle(): boolean {
    return this.#tasks.length === 0;
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
    // An agent without a leader would only let the operator wait.
    const processes = this.#cluster
      .processes()
      .filter(({ consensus }) => consensus.status().leader !== null);
    const process = processes[this.#random.below(Math.max(1, processes.length))];
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

function survivorSettings({ silenceMs, coldMs }: SurvivorTimes): Command {
  const survivor = { auto: "silence" as const, silenceMs, coldMs, hold: false, fence: null };
  return { type: "settings.put", settings: { ...defaultSettings, survivor } };
}

/** Carried out, now or before. */
function isDone(result: CommandResult): boolean {
  return result.ok || ["ALREADY_EXISTS", "NOT_FOUND", "MEMBER_EVICTED"].includes(result.code);
}
