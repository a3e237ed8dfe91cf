/** Hosts with an agent each that nobody has started yet: for tests of how a cluster comes about. */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { killLeftovers } from "../agents.ts";
import { LabAgent } from "./agent.ts";
import { run } from "./command.ts";
import { LabNetwork } from "./network.ts";
import { killNow, ownPrefix, removeOrphans } from "./owner.ts";

export class BareHosts implements AsyncDisposable {
  readonly folder: string;
  readonly network: LabNetwork;
  readonly #agents = new Map<string, LabAgent>();

  private constructor(folder: string, network: LabNetwork) {
    this.folder = folder;
    this.network = network;
  }

  static async create(names: readonly string[]): Promise<BareHosts> {
    await removeOrphans();
    const folder = await mkdtemp(path.join(os.tmpdir(), ownPrefix()));
    return new BareHosts(folder, await LabNetwork.create(names));
  }

  agent(host: string): LabAgent {
    const known = this.#agents.get(host);
    if (known !== undefined) return known;
    const made = new LabAgent(host, this.folder, this.network);
    this.#agents.set(host, made);
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents.values()) await agent.kill("SIGKILL");
    for (const host of this.network.hosts) {
      const pids = await run("ip", ["netns", "pids", this.network.namespace(host)]).catch(() => "");
      for (const pid of pids.split("\n").filter(Boolean)) killNow(Number(pid));
    }
    await this.network[Symbol.asyncDispose]();
    await killLeftovers(this.folder);
    // Who was killed a moment ago may still have left a file.
    await rm(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}
