/**
 * A cluster of agents on hosts of their own, and all that can be done to them. Everything a lab made is gone when
 * it is disposed; what a killed run left is removed before the next lab is built.
 */
import { shuffle, type Random } from "../../../src/base/random.ts";
import { type TestAgent, TestCluster } from "../agents.ts";
import { LabAgent } from "./agent.ts";
import { Crowd } from "./crowd.ts";
import { ownPrefix, removeClockMemory, removeOrphans } from "./owner.ts";
import { LabNetwork } from "./network.ts";
import { type Cut } from "./partitions.ts";

export interface LabOptions {
  readonly size: number;
  readonly args?: readonly string[];
  /** So many hosts more, on which nothing runs before `join`. */
  readonly spare?: number;
  /** Agents get a disk of so many megabytes in memory; else they share the machine's. */
  readonly diskMegabytes?: number;
  /** Agents get a wall clock that can be set. */
  readonly clocks?: boolean;
}

export class Lab implements AsyncDisposable {
  readonly cluster: TestCluster;
  readonly #agents: LabAgent[];
  readonly #network: LabNetwork;

  private constructor(cluster: TestCluster, agents: LabAgent[], network: LabNetwork) {
    this.cluster = cluster;
    this.#agents = agents;
    this.#network = network;
  }

  static async start(options: LabOptions): Promise<Lab> {
    await removeOrphans();
    const hosts = Array.from(
      { length: options.size + (options.spare ?? 0) },
      (_, i) => `n${i + 1}`,
    );
    const names = hosts.slice(0, options.size);
    const network = await LabNetwork.create(hosts);
    const agents: LabAgent[] = [];
    const create = async (name: string, folder: string): Promise<LabAgent> => {
      const agent = new LabAgent(name, folder, network);
      agents.push(agent);
      if (options.clocks === true) agent.giveClock();
      if (options.diskMegabytes !== undefined) await agent.giveDisk(options.diskMegabytes);
      return agent;
    };
    try {
      const args = options.args ?? [];
      const prefix = ownPrefix();
      const cluster = await TestCluster.start({ size: names.length, args, create, prefix });
      return new Lab(cluster, agents, network);
    } catch (error) {
      await tearDown(agents, network);
      throw error;
    }
  }

  /** Those that were started. */
  get agents(): readonly LabAgent[] {
    return this.#agents;
  }

  /** An agent on a spare host joins through `seed`, or any other that runs. */
  async join(seed?: TestAgent): Promise<LabAgent> {
    const name = this.#network.hosts[this.#agents.length];
    if (name === undefined) throw new Error("No host is spare");
    const agent = new LabAgent(name, this.cluster.folder, this.#network);
    this.#agents.push(agent);
    this.cluster.agents.push(agent);
    await this.cluster.join(agent, seed);
    return agent;
  }

  /** Machines that do no more than join, on a spare host. It ends with its process, or with the lab. */
  crowd(host: string): Crowd {
    return new Crowd(this.#network.namespace(host), this.#network.address(host));
  }

  get names(): readonly string[] {
    return this.agents.map(({ name }) => name);
  }

  agent(name: string): LabAgent {
    const found = this.agents.find((agent) => agent.name === name);
    if (found === undefined) throw new Error(`No agent ${name}`);
    return found;
  }

  async leader(but?: TestAgent): Promise<LabAgent> {
    return this.agent((await this.cluster.leader(but)).name);
  }

  /** The names in an order drawn from `random`, with `first` (if given) in front. */
  shuffled(random: Random, first?: string): readonly string[] {
    const rest = shuffle(
      this.names.filter((name) => name !== first),
      random,
    );
    return first === undefined ? rest : [first, ...rest];
  }

  async cut(cuts: readonly Cut[]): Promise<void> {
    await this.#network.cut(cuts);
  }

  /** Every fault is undone and every agent runs. Data that was damaged stays damaged. */
  async heal(): Promise<void> {
    await this.cut([]);
    for (const agent of this.agents) {
      await agent.stopTracing();
      await agent.freeDisk();
      agent.signal("SIGCONT");
      if (!agent.running) this.cluster.restart(agent);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.agents) await agent.kill("SIGKILL");
    for (const agent of this.agents) await agent.removeDisk();
    await this.cluster[Symbol.asyncDispose]();
    await tearDown([], this.#network);
  }
}

async function tearDown(agents: readonly LabAgent[], network: LabNetwork): Promise<void> {
  for (const agent of agents) {
    await agent.kill("SIGKILL");
    await agent.removeDisk();
  }
  for (const host of network.hosts) await network.killAll(host).catch(() => undefined);
  await network[Symbol.asyncDispose]();
  removeClockMemory();
}
