/** Our agents, from a bundle, with the LAN profile, on a lane that is chosen. */
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { killLeftovers } from "../../test/support/agents.ts";
import { LabAgent } from "../../test/support/lab/agent.ts";
import { type LabNetwork } from "../../test/support/lab/network.ts";
import { ownPrefix } from "../../test/support/lab/owner.ts";
import { until } from "../../test/support/until.ts";
import { type Fleet, type FleetOptions, type InventoryCount } from "./fleet.ts";
import { MemberEventLog } from "./member-event-log.ts";
import { sumOfMetric } from "./metric-text.ts";

interface Event {
  readonly index: number;
  readonly type: string;
}

export interface MusterFleetOptions extends FleetOptions {
  readonly label: string;
  /** What datagrams are used for: the agents' `--gossip-udp`. */
  readonly lane: "on" | "fallback" | "off";
}

export class MusterFleet implements Fleet {
  readonly label: string;
  readonly leaveSignal = "SIGINT";
  readonly events = new MemberEventLog(parse);
  readonly network: LabNetwork;
  readonly #folder: string;
  readonly #options: FleetOptions;
  readonly #args: readonly string[];
  readonly #agents: ReadonlyMap<string, LabAgent>;
  readonly #joined = new Set<string>();
  #token: string | null = null;
  #isOver = false;

  private constructor(network: LabNetwork, folder: string, options: MusterFleetOptions) {
    this.label = options.label;
    this.network = network;
    this.#folder = folder;
    this.#options = options;
    const datagrams = options.keys === true ? "on" : options.lane;
    const discovery = options.discovery === true ? ["--discover", "mdns"] : [];
    this.#args = ["--gossip-profile", "lan", "--gossip-udp", datagrams, ...discovery];
    const agents = network.hosts.map((host) => new LabAgent(host, folder, network));
    this.#agents = new Map(agents.map((agent) => [agent.name, agent]));
  }

  static async create(network: LabNetwork, options: MusterFleetOptions): Promise<MusterFleet> {
    const folder = await mkdtemp(path.join(os.tmpdir(), `${ownPrefix()}fleet-`));
    return new MusterFleet(network, folder, options);
  }

  get hosts(): readonly string[] {
    return this.network.hosts;
  }

  async start(host: string): Promise<void> {
    const agent = this.#agent(host);
    if (this.#joined.has(host)) await agent.exited(); // one that is still leaving has the ports
    this.events.follow(host, agent.logFile);
    const isFirst = host === this.hosts[0];
    const join = this.#joined.has(host) || isFirst ? [] : await this.#joinArguments();
    if (this.#isOver) throw new Error("The fleet is taken down");
    const verb = isFirst && !this.#joined.has(host) ? "bootstrap" : "agent";
    agent.start(verb, [...join, ...this.#args]);
    this.#joined.add(host);
  }

  pid(host: string): number {
    return this.#agent(host).pid;
  }

  async stop(host: string): Promise<void> {
    await this.#agent(host).kill("SIGTERM");
  }

  async seedReady(): Promise<void> {
    const seed = this.#agent(this.hosts[0] ?? "");
    await until({ what: "the seed serves", deadlineMs: 60_000 }, async () => {
      return (await seed.api("GET", "/readyz")).status === 200;
    });
    await this.#joinArguments();
  }

  async inventory(): Promise<InventoryCount> {
    const { text } = await this.#asked().api("GET", "/v1/events?since=0");
    const events = text.split("\n").filter(Boolean);
    const all = events.map((line) => JSON.parse(line) as Event);
    const changes = all.filter(({ type }) => type === "node.reachability");
    return {
      entries: new Set(changes.map(({ index }) => index)).size,
      changes: changes.length,
      discovered: all.filter(({ type }) => type === "node.discovered").length,
    };
  }

  async voters(): Promise<readonly string[]> {
    const { leader, voters } = await this.#asked().get<{
      readonly leader: { readonly name: string } | null;
      readonly voters: readonly { readonly name: string }[];
    }>("/v1/status");
    if (leader === null) throw new Error("Nobody leads");
    return [...new Set([leader, ...voters].map(({ name }) => name))];
  }

  failedProbes(): Promise<number> {
    return this.#sum("muster_gossip_probes_total", 'result="failed"');
  }

  async roundTrips(): Promise<readonly number[]> {
    const views = this.#running.map((agent) =>
      agent.get<readonly { rttMs: number | null }[]>("/v1/members"),
    );
    const members = (await Promise.all(views)).flat();
    return members.map(({ rttMs }) => rttMs).filter((rtt) => rtt !== null);
  }

  async worstHealth(): Promise<number> {
    const texts = await this.#metrics();
    return Math.max(...texts.map((text) => sumOfMetric(text, "muster_gossip_health_score")));
  }

  gossipBytes(): Promise<number> {
    return this.#sum("muster_gossip_bytes_total", 'direction="out"');
  }

  async rotateKeys(): Promise<void> {
    const { code, stderr } = await this.#asked().cli(["operator", "rotate-keys"]);
    if (code !== 0) throw new Error(`rotate-keys: ${stderr}`);
  }

  async tell(name: string): Promise<void> {
    await this.#asked().api("POST", "/v1/user-events", { body: { name, payload: "load" } });
  }

  /** A new revision of the configuration: every agent fetches its bundle from its peers. */
  async sendBulk(megabytes: number): Promise<void> {
    const source = path.join(this.#folder, "configuration");
    await mkdir(source, { recursive: true });
    await writeFile(path.join(source, "muster.yaml"), "apiVersion: muster/v1\nroles: {}\n");
    await writeFile(path.join(source, "bulk"), randomBytes(megabytes << 20));
    const answer = await this.#asked().api("PUT", "/v1/config/source", { body: { url: source } });
    if (answer.status >= 300) throw new Error(`PUT /v1/config/source: ${answer.text}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await Promise.all([...this.#agents.values()].map((agent) => agent.kill("SIGKILL")));
    this.events.close();
    await killLeftovers(this.#folder);
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #running(): readonly LabAgent[] {
    return [...this.#agents.values()].filter(({ running }) => running);
  }

  async #sum(metric: string, label = ""): Promise<number> {
    const texts = await this.#metrics();
    return texts.reduce((sum, text) => sum + sumOfMetric(text, metric, label), 0);
  }

  /** One after the other: fifty answers at once take so long on two cores that some come too late. */
  async #metrics(): Promise<readonly string[]> {
    const texts: string[] = [];
    for (const agent of this.#running) texts.push((await agent.api("GET", "/metrics")).text);
    return texts;
  }

  async #joinArguments(): Promise<readonly string[]> {
    const file = path.join(this.#folder, "token");
    if (this.#token === null) {
      const body = { kind: "join", uses: 10_000, ttl: "24h" };
      const created = await this.#asked().api("POST", "/v1/tokens", { body });
      this.#token = (created.json as { token: string }).token;
      await writeFile(file, this.#token, { mode: 0o600 });
    }
    const seed = this.#agent(this.hosts[0] ?? "").address;
    const join = this.#options.discovery === true ? [] : ["--join", seed];
    return [...join, "--join-token-file", file];
  }

  /** The first agent that runs. */
  #asked(): LabAgent {
    const [first] = this.#running;
    if (first === undefined) throw new Error("No agent runs");
    return first;
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
  if (line.includes('"listening for peers"')) return { kind: "up", subject: "" };
  if (line.includes('"role":"leader"')) return { kind: "leads", subject: "" };
  if (line.includes('"reports lost nodes to the inventory"'))
    return { kind: "reports", subject: "" };
  if (!line.includes('"module":"gossip"')) return null;
  const { msg, member } = JSON.parse(line) as { readonly msg: string; readonly member?: string };
  const kind = kinds[msg];
  return kind === undefined || member === undefined ? null : { kind, subject: member };
}
