/**
 * Below the API: callers in the leader's own process propose inventory writes of 256 bytes, with two followers in
 * processes of their own. Everything from the proposal to the applied result is real: codec, Raft, fsync, mesh.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { type Experiment, median, round, type Row, type Settings } from "../experiment.ts";
import {
  type FromMember,
  type Introduction,
  type ProposeResult,
  type ToMember,
} from "../propose-wire.ts";

const callers = [1, 100, 1000];
const program = path.join(import.meta.dirname, "../propose-member.ts");

class Member {
  readonly #child: ChildProcess;

  constructor(folder: string) {
    this.#child = fork(program, [folder], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  }

  send(message: ToMember): void {
    this.#child.send(message);
  }

  async next<K extends FromMember["kind"]>(kind: K): Promise<Extract<FromMember, { kind: K }>> {
    for (;;) {
      const [message] = (await once(this.#child, "message")) as [FromMember];
      if (message.kind === kind) return message as Extract<FromMember, { kind: K }>;
    }
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }
}

async function run({ rounds, seconds, note }: Settings): Promise<readonly Row[]> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "muster-bench-propose-"));
  const members = ["a", "b", "c"].map((name) => new Member(path.join(folder, name)));
  try {
    const peers: Introduction[] = [];
    for (const { peer, address } of await Promise.all(members.map((one) => one.next("listens")))) {
      peers.push({ peer, address });
    }
    const leads = Promise.race(members.map((one) => one.next("leads").then(() => one)));
    for (const member of members) member.send({ kind: "peers", peers });
    const leader = await leads;
    await load(leader, 100, 10); // warm-up
    const rows: Row[] = [];
    for (const count of callers) {
      const results: ProposeResult[] = [];
      for (let i = 0; i < rounds; i += 1) results.push(await load(leader, count, seconds));
      rows.push(rowOf(count, results));
      note(`${count} callers done`);
    }
    return rows;
  } finally {
    for (const member of members) await member.end();
    await rm(folder, { recursive: true, force: true });
  }
}

async function load(leader: Member, count: number, seconds: number): Promise<ProposeResult> {
  const result = leader.next("result");
  leader.send({ kind: "load", callers: count, seconds });
  return (await result).result;
}

function rowOf(count: number, results: readonly ProposeResult[]): Row {
  const of = (key: keyof ProposeResult): number => round(median(results.map((one) => one[key])));
  return {
    callers: count,
    "writes per second": of("perSecond"),
    "p50 ms": of("p50Ms"),
    "p99 ms": of("p99Ms"),
    "leader's CPU, us each": of("cpuUs"),
    failed: of("failed"),
  };
}

export const propose: Experiment = {
  name: "propose",
  about: "inventory writes proposed in the leader's process, three agents, fsync on",
  needs: [],
  run,
};
