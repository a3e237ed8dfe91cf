/** Our agents, from a bundle, with the LAN profile, on a lane that is chosen. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { killLeftovers } from "../../test/support/agents.ts";
import { LabAgent } from "../../test/support/lab/agent.ts";
import { type LabNetwork } from "../../test/support/lab/network.ts";
import { ownPrefix } from "../../test/support/lab/owner.ts";
import { until } from "../../test/support/until.ts";
import { type Fleet } from "./fleet.ts";
import { MemberEventLog } from "./member-event-log.ts";
import { sumOfMetric } from "./metric-text.ts";

export class MusterFleet implements Fleet {
  readonly kind = "muster";
  readonly leaveSignal = "SIGINT";
  readonly events = new MemberEventLog(parse);
  readonly network: LabNetwork;
  readonly #folder: string;
  readonly #args: readonly string[];
  readonly #agents: ReadonlyMap<string, LabAgent>;
  readonly #joined = new Set<string>();
  #token: string | null = null;

  private constructor(network: LabNetwork, folder: string, args: readonly string[]) {
    this.network = network;
    this.#folder = folder;
    this.#args = ["--gossip-profile", "lan", ...args];
    const agents = network.hosts.map((host) => new LabAgent(host, folder, network));
    this.#agents = new Map(agents.map((agent) => [agent.name, agent]));
  }

  /** @param args further options of every agent, for instance `--gossip-udp`. */
  static async create(network: LabNetwork, args: readonly string[]): Promise<MusterFleet> {
    const folder = await mkdtemp(path.join(os.tmpdir(), `${ownPrefix()}fleet-`));
    return new MusterFleet(network, folder, args);
  }

  get hosts(): readonly string[] {
    return this.network.hosts;
  }

  async start(host: string): Promise<void> {
    const agent = this.#agent(host);
    if (this.#joined.has(host)) await agent.exited(); // one that is still leaving has the ports
    this.events.follow(host, agent.logFile);
    if (host === this.hosts[0] && !this.#joined.has(host)) agent.start("bootstrap", this.#args);
    else if (this.#joined.has(host)) agent.start("agent", this.#args);
    else agent.start("agent", [...(await this.#joinArguments()), ...this.#args]);
    this.#joined.add(host);
  }

  pid(host: string): number {
    return this.#agent(host).pid;
  }

  async seedReady(): Promise<void> {
    const seed = this.#seed();
    await until({ what: "the seed serves", deadlineMs: 60_000 }, async () => {
      return (await seed.api("GET", "/readyz")).status === 200;
    });
    await this.#joinArguments();
  }

  async inventoryChanges(): Promise<number> {
    const events = await this.#seed().api("GET", "/v1/events?since=0");
    return events.text.split("\n").filter((line) => line.includes('"node.reachability')).length;
  }

  suspicions(): Promise<number> {
    return this.#sum("muster_gossip_suspicions_total");
  }

  gossipBytes(): Promise<number> {
    return this.#sum("muster_gossip_bytes_total", 'direction="out"');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents.values()) await agent.kill("SIGKILL");
    this.events.close();
    await killLeftovers(this.#folder);
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #sum(metric: string, label = ""): Promise<number> {
    let sum = 0;
    for (const agent of this.#agents.values()) {
      if (!agent.running) continue;
      sum += sumOfMetric((await agent.api("GET", "/metrics")).text, metric, label);
    }
    return sum;
  }

  async #joinArguments(): Promise<readonly string[]> {
    const file = path.join(this.#folder, "token");
    if (this.#token === null) {
      const body = { kind: "join", uses: 10_000, ttl: "24h" };
      const created = await this.#seed().api("POST", "/v1/tokens", { body });
      this.#token = (created.json as { token: string }).token;
      await writeFile(file, this.#token, { mode: 0o600 });
    }
    return ["--join", this.#seed().address, "--join-token-file", file];
  }

  #seed(): LabAgent {
    return this.#agent(this.hosts[0] ?? "");
  }

  #agent(host: string): LabAgent {
    const agent = this.#agents.get(host);
    if (agent === undefined) throw new Error(`No host ${host}`);
    return agent;
  }
}

const kinds: Readonly<Record<string, "join" | "failed" | "left" | "suspect">> = {
  "member joined": "join",
  "member is alive again": "join",
  "member failed": "failed",
  "member left": "left",
  "member is suspected to have failed": "suspect",
};

function parse(line: string): ReturnType<ConstructorParameters<typeof MemberEventLog>[0]> {
  if (!line.includes('"module":"gossip"')) return null;
  const { msg, member } = JSON.parse(line) as { readonly msg: string; readonly member?: string };
  const kind = kinds[msg];
  return kind === undefined || member === undefined ? null : { kind, subject: member };
}
