/** Three etcd members on loopback (Debian's etcd-server), fsync on, default timings: the peer to measure beside. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { freePort } from "../test/support/agents.ts";
import { ask } from "../test/support/http.ts";
import { until } from "../test/support/until.ts";

interface Member {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  child: ChildProcess | null;
}

export class EtcdCluster implements AsyncDisposable {
  readonly #folder: string;
  readonly #members: readonly Member[];

  private constructor(folder: string, members: readonly Member[]) {
    this.#folder = folder;
    this.#members = members;
  }

  static async start(): Promise<EtcdCluster> {
    const folder = await mkdtemp(path.join(os.tmpdir(), "muster-bench-etcd-"));
    const members: Member[] = [];
    for (const name of ["m1", "m2", "m3"]) {
      members.push({ name, clientPort: await freePort(), peerPort: await freePort(), child: null });
    }
    const cluster = new EtcdCluster(folder, members);
    for (const member of members) cluster.#start(member);
    await until({ what: "etcd is healthy" }, () => cluster.#healthy());
    return cluster;
  }

  get ports(): readonly number[] {
    return this.#members.map((member) => member.clientPort);
  }

  get pids(): readonly number[] {
    return this.#members.flatMap(({ child }) => child?.pid ?? []);
  }

  async leaderPort(): Promise<number> {
    return until({ what: "etcd has a leader" }, async () => {
      for (const member of this.#members) {
        const status = await this.#status(member.clientPort).catch(() => null);
        if (status !== null && status.leader === status.header.member_id) return member.clientPort;
      }
      return null;
    });
  }

  async kill(port: number, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const member = this.#members.find((candidate) => candidate.clientPort === port);
    const child = member?.child;
    if (child === null || child === undefined) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  }

  async restart(port: number): Promise<void> {
    const member = this.#members.find((candidate) => candidate.clientPort === port);
    if (member !== undefined) this.#start(member);
    await until({ what: "etcd is healthy again" }, () => this.#healthy());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.#members) await this.kill(member.clientPort);
    await rm(this.#folder, { recursive: true, force: true });
  }

  #start(member: Member): void {
    const url = (port: number): string => `http://127.0.0.1:${port}`;
    const all = this.#members.map(({ name, peerPort }) => `${name}=${url(peerPort)}`).join(",");
    const flags = {
      name: member.name,
      "data-dir": path.join(this.#folder, member.name),
      "listen-client-urls": url(member.clientPort),
      "advertise-client-urls": url(member.clientPort),
      "listen-peer-urls": url(member.peerPort),
      "initial-advertise-peer-urls": url(member.peerPort),
      "initial-cluster": all,
      "log-level": "error",
      logger: "zap",
    };
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    member.child = spawn("etcd", args, { stdio: "ignore" });
  }

  async #healthy(): Promise<boolean> {
    for (const port of this.ports) {
      const answer = await ask({ port, path: "/health", timeoutMs: 1000 });
      if (!answer.text.includes('"true"')) return false;
    }
    return true;
  }

  async #status(port: number): Promise<{ leader: string; header: { member_id: string } }> {
    const answer = await ask({
      port,
      method: "POST",
      path: "/v3/maintenance/status",
      body: {},
      timeoutMs: 1000,
    });
    return answer.json as { leader: string; header: { member_id: string } };
  }
}
