/** An inventory to send commands to: every command goes through its bytes, as an entry of its own. */
import * as assert from "uvu/assert";
import { type PeerId, asPeerId } from "../../src/base/ids.ts";
import { type Json } from "../../src/base/json.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { EntryType } from "../../src/consensus/core/types.ts";
import { encodeEnvelope } from "../../src/inventory/codec.ts";
import {
  type Command,
  type CommandCode,
  type CommandResult,
  type Envelope,
} from "../../src/inventory/commands.ts";
import { runId } from "../../src/inventory/job-nodes.ts";
import {
  type ActionName,
  type CurrentRun,
  type Facts,
  type FinishedRun,
  type JobAction,
  type Manifest,
  defaultStrategy,
} from "../../src/inventory/records.ts";
import { InventoryStateMachine } from "../../src/inventory/state-machine.ts";

type CommandOf<T extends Command["type"]> = Extract<Command, { readonly type: T }>;
type Sent = Partial<Omit<Envelope, "command" | "v">>;
type Refused = Extract<CommandResult, { readonly ok: false }>;

export const start = 1_700_000_000_000;

export class Inventory {
  readonly machine = new InventoryStateMachine({ logger: silentLogger });
  /** Time of the next command. */
  at = start;

  get view() {
    return this.machine.view;
  }

  send(command: Command, sent: Sent = {}): CommandResult {
    const envelope = { v: 1, at: this.at, by: "operator", origin: null, idempotency: null };
    return this.bytes(encodeEnvelope({ ...envelope, ...sent, command }));
  }

  bytes(data: Uint8Array): CommandResult {
    const index = this.machine.appliedIndex + 1;
    const [result] = this.machine.apply([{ index, term: 1, type: EntryType.command, data }]);
    assert.ok(result, "a command entry has a result");
    return result;
  }

  /** Sends what must be taken; answers its value. */
  ok(command: Command, sent: Sent = {}): Json {
    const result = this.send(command, sent);
    assert.ok(result.ok, result.ok ? "" : `${result.code}: ${result.message}`);
    return result.value;
  }

  /** Sends what must be refused with `code`, and must leave the state as it is. */
  refused(command: Command, code: CommandCode, sent: Sent = {}): Refused {
    const before = this.machine.hash();
    const result = this.send(command, sent);
    assert.is(result.ok, false, `${command.type} was taken, not refused with ${code}`);
    assert.is((result as Refused).code, code, (result as Refused).message);
    assert.is(this.machine.hash(), before, "a refused command leaves no trace");
    return result as Refused;
  }

  eventsAfter(index: number): readonly string[] {
    return this.view.events(index, 1000).map(({ type, subject }) => `${type} ${subject}`);
  }

  /** Types and subjects of the events of what `act` does. */
  eventsOf(act: () => unknown): readonly string[] {
    const before = this.machine.appliedIndex;
    act();
    return this.eventsAfter(before);
  }
}

export function peer(name: string): PeerId {
  return asPeerId(`peer-${name}`);
}

export const commit = "c0ffee";

/** A cluster of the given nodes (all discovered), with one revision in force. */
export function cluster(...names: readonly string[]): Inventory {
  const inventory = new Inventory();
  const [first = "n1", ...others] = names;
  inventory.ok({
    type: "cluster.create",
    cluster: { id: "cluster-1", name: "test", user: null },
    member: { id: peer(first), name: first, address: "10.0.0.1:7700" },
  });
  inventory.ok(tokenCreate({ id: "t" }));
  for (const name of others) inventory.ok(admit(name));
  setRevision(inventory, commit);
  return inventory;
}

export function tokenCreate(parts: Partial<CommandOf<"token.create">> = {}): Command {
  const verifier = "ab".repeat(32);
  const any = { kind: "join", role: null, name: null, uses: null, ttlMs: null } as const;
  return { type: "token.create", id: "t1", verifier, ...any, ...parts };
}

export function admit(name: string, parts: Partial<CommandOf<"member.admit">> = {}): Command {
  return {
    type: "member.admit",
    id: peer(name),
    name,
    address: "10.0.0.9:1",
    token: "t",
    ...parts,
  };
}

export const manifest: Manifest = {
  vars: { ntp: "pool.example", level: "manifest" },
  roles: {
    base: {
      name: "base",
      runner: "script",
      requires: [],
      actions: { configure: { path: "base/configure", timeoutMs: 60_000 } },
      secrets: [],
    },
    web: {
      name: "web",
      runner: "script",
      requires: ["base"],
      actions: { configure: { path: "web/configure", timeoutMs: 60_000 } },
      secrets: ["db_password"],
    },
  },
};

/** Gives the inventory a source, if it has none, and puts `revision` in force. */
export function setRevision(inventory: Inventory, revision: string, body = manifest): void {
  const source = inventory.view.config().source ?? { url: "file:///repo", ref: null };
  if (inventory.view.config().source === null) inventory.ok({ type: "config.source", source });
  const request = inventory.view.config().refreshRequested;
  const bundle = { bundle: "00".repeat(32), bundleBytes: 1000, manifest: body, by: peer("n1") };
  inventory.ok({
    type: "config.fetched",
    request,
    source,
    result: { ok: true, commit: revision, ...bundle },
  });
}

export function jobCreate(
  id: string,
  action: JobAction,
  targets: readonly string[],
  parts: Partial<CommandOf<"job.create">> = {},
): CommandOf<"job.create"> {
  return {
    type: "job.create",
    id,
    action,
    targets,
    roles: null,
    vars: {},
    strategy: defaultStrategy,
    waves: [targets],
    revision: commit,
    force: false,
    reason: "",
    ...parts,
  };
}

export function run(
  job: string,
  node: string,
  parts: { readonly role?: string; readonly action?: ActionName; readonly attempt?: number } = {},
): CurrentRun {
  const ref = { role: "web", action: "configure", attempt: 1, ...parts } as const;
  return { id: runId(job, node, ref), ...ref, revision: commit, begunAt: start, timeoutMs: 60_000 };
}

export function finished(
  { id, role, action, attempt, revision }: CurrentRun,
  parts: Partial<FinishedRun> = {},
): FinishedRun {
  const end = { exitCode: 0, signal: null, startedAt: start, endedAt: start + 1, message: "" };
  return { id, role, action, attempt, revision, outcome: "succeeded", ...end, ...parts };
}

export function runFinish(job: string, node: string, result: FinishedRun): CommandOf<"run.finish"> {
  return { type: "run.finish", job, node, result, vars: {}, varsDigest: "d", transcripts: [] };
}

export function nodeFinish(
  job: string,
  node: string,
  parts: Partial<CommandOf<"job.node.finish">> = {},
): CommandOf<"job.node.finish"> {
  return {
    type: "job.node.finish",
    job,
    node,
    status: "succeeded",
    phase: null,
    step: null,
    exitCode: 0,
    message: "",
    revision: undefined,
    appliedRoles: null,
    condition: null,
    ...parts,
  };
}

/** Brings a discovered node to `commissioned` by a whole job, with one run of role web. */
export function commission(inventory: Inventory, job: string, node: string): void {
  inventory.ok(jobCreate(job, "commission", [node]));
  const begun = { job, node, phase: "commissioning", roles: ["base", "web"] } as const;
  inventory.ok({ type: "job.node.begin", ...begun });
  inventory.ok({ type: "run.begin", job, node, run: run(job, node) });
  inventory.ok(runFinish(job, node, finished(run(job, node))));
  inventory.ok(
    nodeFinish(job, node, {
      phase: "commissioned",
      revision: commit,
      appliedRoles: ["base", "web"],
      condition: { type: "Configured", status: "True", reason: "Commissioned", message: "" },
    }),
  );
  inventory.ok({ type: "job.finish", job, status: "succeeded" });
}

export const facts: Facts = {
  hostname: "host",
  os: "linux",
  osVersion: "12",
  kernel: "6.1",
  arch: "x86_64",
  bootId: "boot-1",
  serial: "s",
  machineId: "m",
  cpu: { model: "cpu", count: 8 },
  memory: { totalBytes: 1024 },
  disks: [{ name: "sda", sizeBytes: 1, rotational: false }],
  filesystems: [],
  nics: [{ name: "eth0", mac: "00:00:00:00:00:00", addresses: ["10.0.0.1"] }],
  virtualization: "kvm",
  agentVersion: "0.1.0",
  pythonPath: null,
};
