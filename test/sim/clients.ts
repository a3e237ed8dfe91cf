/**
 * Clients of a simulated cluster: they write, write conditionally and read through any agent, and repeat a write whose
 * outcome they did not learn through another one, with the same Idempotency-Key. Each remembers what it was told.
 */
import { errorCode } from "../../src/base/errors.ts";
import { isJsonObject } from "../../src/base/json.ts";
import { type Random } from "../../src/base/random.ts";
import { type Command, type CommandResult } from "../../src/inventory/commands.ts";
import { ClientHistory, type VariableOp } from "./client-history.ts";
import { type History } from "./chronicle.ts";
import { type SimCluster } from "./cluster.ts";
import { type SimProcess } from "./process.ts";
import { concerns, stream } from "./streams.ts";
import { require } from "./violation.ts";

interface Known {
  readonly value: string | null;
  readonly version: number;
}

type Put = Extract<Command, { readonly type: "var.put" }>;

interface Write {
  readonly client: number;
  readonly command: Put;
  /** Of a conditional write: what it expects to find. */
  readonly from: string | null | undefined;
  readonly idempotency: { readonly key: string; readonly digest: string } | null;
  readonly called: number;
  /** Where it was asked for last. */
  history: History;
  /** It was asked for in another generation before, and may have been carried out there. */
  elsewhere: boolean;
  attempts: number;
  /** An attempt may have been carried out. */
  maybe: boolean;
}

/** What the contract calls "nothing happened". */
const refusals = ["NO_LEADER", "BUSY", "TOO_LARGE", "STOPPED", "NOT_LEADER"];
const maxAttempts = 4;
const timeoutMs = 2000;
/** Longer than an agent may take to answer: it died. */
const patienceMs = timeoutMs + 400;

export class Clients {
  readonly history = new ClientHistory();
  readonly #cluster: SimCluster;
  readonly #random: Random;
  /** What each client saw last of each variable in each generation. */
  readonly #known = new Map<string, Known>();
  #active = true;
  #writes = 0;

  constructor(cluster: SimCluster, seed: number) {
    this.#cluster = cluster;
    this.#random = stream(seed, concerns.clients);
  }

  start(): void {
    for (let client = 0; client < this.#cluster.profile.workload.clients; client += 1) {
      this.#later(client);
    }
  }

  stop(): void {
    this.#active = false;
  }

  /** Reads every variable on every running agent, for the end of a run. */
  readAll(): void {
    for (const process of this.#cluster.processes()) {
      for (let key = 0; key < this.#cluster.profile.workload.keys; key += 1) {
        this.#read(900 + process.slot, `v${key}`, process);
      }
    }
  }

  #later(client: number): void {
    const { clock, profile } = this.#cluster;
    clock.after(profile.workload.thinkMs * 2 * this.#random.float(), () => {
      if (this.#active) this.#next(client);
    });
  }

  #next(client: number): void {
    const process = this.#anyProcess();
    if (process === null) {
      this.#later(client);
      return;
    }
    const { keys, alone } = this.#cluster.profile.workload;
    const key = `v${this.#random.below(keys)}`;
    if (alone > 0 && this.#random.float() < alone) {
      this.#write(client, `alone${this.#writes}`, false, process);
      return;
    }
    const kind = this.#random.below(10);
    if (kind < 4) this.#read(client, key, process);
    else this.#write(client, key, kind < 7, process);
  }

  #anyProcess(): SimProcess | null {
    const all = this.#cluster.processes();
    return all[this.#random.below(Math.max(1, all.length))] ?? null;
  }

  #read(client: number, key: string, process: SimProcess): void {
    const called = this.#cluster.clock.events;
    const end = this.#once(client, () => {});
    const { path } = process;
    process.consensus.readBarrier(timeoutMs).then(
      () => {
        const record = process.machine.view.variable(key);
        const value = record === null ? null : String(record.value);
        end(() => {
          if (process.path !== path) return; // it belongs to neither
          this.#know(client, key, path, { value, version: record?.version ?? 0 });
          this.#answer(client, { f: "read", key, value }, called, path);
        });
      },
      () => end(() => {}),
    );
  }

  #write(client: number, key: string, conditional: boolean, process: SimProcess): void {
    this.#writes += 1;
    const value = `${client}.${this.#writes}`;
    const { path } = process;
    const known = this.#known.get(`${client}/${key}/${path.id}`);
    const when = conditional && known !== undefined ? { ifVersion: known.version } : {};
    const write: Write = {
      client,
      command: { type: "var.put", key, value, ...when },
      from: conditional && known !== undefined ? known.value : undefined,
      // Only a request with a key may be repeated by its client; agents repeat the others.
      idempotency: this.#random.below(3) > 0 ? { key: value, digest: value } : null,
      called: this.#cluster.clock.events,
      history: path,
      elsewhere: false,
      attempts: 0,
      maybe: false,
    };
    this.#attempt(write, process);
  }

  #attempt(write: Write, process: SimProcess): void {
    write.attempts += 1;
    write.elsewhere ||= write.history !== process.path;
    write.history = process.path;
    const end = this.#once(write.client, () => this.#unknown(write), true);
    const options = { by: "operator", idempotency: write.idempotency, timeoutMs };
    process.writer.submit(write.command, options).then(
      (result) => end(() => this.#finished(write, result, process.path)),
      (error: unknown) => end(() => this.#failed(write, error)),
    );
  }

  /** Gives what to call with the first outcome; `late` is called instead when none comes in time. */
  #once(client: number, late: () => void, goesOn = false): (outcome: () => void) => void {
    let over = false;
    const end = (outcome: () => void): void => {
      if (over) return;
      over = true;
      timer.cancelled = true;
      try {
        outcome();
      } catch (error) {
        this.#cluster.fail(error as Error);
      }
      if (!goesOn && client < 900) this.#later(client);
    };
    const timer = this.#cluster.clock.after(patienceMs, () => end(late));
    return end;
  }

  #finished(write: Write, result: CommandResult, path: History): void {
    const { command, from } = write;
    const { key } = command;
    const value = String(command.value);
    const moved = write.elsewhere || path !== write.history;
    if (result.ok) {
      const there = this.#isInHistory(write, result.index, path);
      this.#cluster.ledger.acknowledged({ key, value });
      if (moved || !there) {
        // Written here or there: each must have it or be told of it, but neither says when.
        this.#giveUp(write);
        return;
      }
      const version = versionIn(result) ?? result.index;
      this.#know(write.client, key, path, { value, version });
      this.#done(write, opOf(key, value, from, true));
    } else if (result.code === "VERSION_MISMATCH" && from !== undefined && !moved) {
      this.#done(write, { f: "swap", key, from, value, swapped: false });
    } else if (write.maybe || result.code !== "MEMBER_EVICTED") {
      this.#unknown(write);
    } else {
      this.#later(write.client);
    }
  }

  /** I14: what was acknowledged is in the history. False when its answer came with a merge. */
  #isInHistory({ command }: Write, index: number, path: History): boolean {
    const applied = this.#cluster.history.commandAt(path, index);
    const there =
      applied?.type === "var.put" && applied.key === command.key && applied.value === command.value;
    // An answer that came with a merge says where that was.
    const receipt = { key: command.key, value: String(command.value) };
    const merged = this.#cluster.ledger.isKept(receipt, path);
    require(there || (this.#cluster.profile.survivor !== null && merged), () =>
      `the write of "${String(command.value)}" was acknowledged, but entry ${index} is not it`);
    return there;
  }

  #failed(write: Write, error: unknown): void {
    const surely = refusals.includes(errorCode(error) ?? "");
    if (!surely || write.maybe) this.#unknown(write);
    else this.#later(write.client);
  }

  #unknown(write: Write): void {
    write.maybe = true;
    const process = this.#anyProcess();
    const again = this.#active && write.attempts < maxAttempts && this.#random.below(4) > 0;
    if (again && write.idempotency !== null && process !== null) {
      this.#attempt(write, process);
      return;
    }
    this.#giveUp(write);
  }

  /** Nobody knows, or cares, when it happened. */
  #giveUp({ command, from, client, called }: Write): void {
    const op = opOf(command.key, String(command.value), from, true);
    this.history.add(client, op, { called, returned: null, where: "" });
    this.#later(client);
  }

  #done(write: Write, op: VariableOp): void {
    this.#answer(write.client, op, write.called, write.history);
    this.#later(write.client);
  }

  #answer(client: number, op: VariableOp, called: number, path: History): void {
    const { clock, trace } = this.#cluster;
    trace.add(() => `client ${client} ${JSON.stringify(op)}`);
    this.history.add(client, op, { called, returned: clock.events, where: path.id });
  }

  #know(client: number, key: string, path: History, known: Known): void {
    this.#known.set(`${client}/${key}/${path.id}`, known);
  }
}

function opOf(
  key: string,
  value: string,
  from: string | null | undefined,
  swapped: boolean,
): VariableOp {
  return from === undefined ? { f: "write", key, value } : { f: "swap", key, from, value, swapped };
}

function versionIn(result: CommandResult & { readonly ok: true }): number | null {
  const { value } = result;
  const version = isJsonObject(value) ? value["version"] : null;
  return typeof version === "number" ? version : null;
}
