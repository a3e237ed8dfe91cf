/**
 * Hosts with a network of their own on one machine: each is a network namespace with one address, all are plugged
 * into a bridge, which sits in a namespace too: no address exists outside, and no packet can leave. Links are cut
 * on the bridge, where a packet is lost without a word to its sender, as on a real wire.
 */
import { inside, run } from "./command.ts";
import { killNow, ownPrefix } from "./owner.ts";
import { type Cut } from "./partitions.ts";

/** Labs of one process, one after another, share no name. */
let labs = 0;

export class LabNetwork implements AsyncDisposable {
  readonly hosts: readonly string[];
  readonly #prefix: string;

  private constructor(hosts: readonly string[]) {
    this.hosts = hosts;
    labs += 1;
    this.#prefix = `${ownPrefix()}${labs}-`;
  }

  static async create(hosts: readonly string[]): Promise<LabNetwork> {
    const network = new LabNetwork(hosts);
    try {
      await network.#build();
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  namespace(host: string): string {
    return `${this.#prefix}${host}`;
  }

  address(host: string): string {
    return `10.77.0.${this.#number(host)}`;
  }

  /** From now on these links are cut, and no others. */
  async cut(cuts: readonly Cut[]): Promise<void> {
    const pairs = cuts.map(({ from, to }) => `${this.#port(from)} . ${this.#port(to)}`);
    const add = pairs.length === 0 ? "" : `add element bridge lab cut { ${pairs.join(", ")} }\n`;
    await this.#nft(`flush set bridge lab cut\n${add}`);
  }

  /** From now on so many percent of the packets that go to each of these hosts are lost, and of no others'. */
  async lose(percent: number, hosts: readonly string[]): Promise<void> {
    const ports = hosts.map((host) => `add element bridge lab lossy { ${this.#port(host)} }\n`);
    // A share of 100 is no range that the generator has.
    const chance = percent >= 100 ? "" : `numgen random mod 100 < ${percent} `;
    const rule = percent === 0 ? "" : `add rule bridge lab loss oifname @lossy ${chance}drop\n`;
    await this.#nft(
      `flush set bridge lab lossy\nflush chain bridge lab loss\n${ports.join("")}${rule}`,
    );
  }

  /** From now on these hosts' links carry so many megabits a second, each way. Zero: as many as they can. */
  async limitRate(megabits: number, hosts: readonly string[]): Promise<void> {
    for (const host of hosts) {
      const ends = [
        [this.#bridge, this.#port(host)],
        [this.namespace(host), "eth0"],
      ] as const;
      for (const [namespace, device] of ends) {
        await run("tc", ["-n", namespace, "qdisc", "del", "dev", device, "root"]).catch(() => "");
        if (megabits === 0) continue;
        const shape = ["tbf", "rate", `${megabits}mbit`, "burst", "128kb", "latency", "100ms"];
        await run("tc", ["-n", namespace, "qdisc", "add", "dev", device, "root", ...shape]);
      }
    }
  }

  /**
   * Enters every host's link address at every other. The kernel's table of neighbours is one for all namespaces and
   * overflows above some 32 hosts that all talk to each other.
   */
  async introduce(): Promise<void> {
    const links = new Map<string, string>();
    for (const host of this.hosts) {
      const link = await run("ip", ["-n", this.namespace(host), "-o", "link", "show", "eth0"]);
      links.set(host, /link\/ether (\S+)/.exec(link)?.[1] ?? "");
    }
    for (const host of this.hosts) {
      const others = this.hosts.filter((other) => other !== host);
      const lines = others.map(
        (other) =>
          `neigh replace ${this.address(other)} lladdr ${links.get(other)} dev eth0 nud permanent`,
      );
      await this.#ip(this.namespace(host), lines);
    }
  }

  /** Whoever sends to a group without choosing an interface needs a route there: serf ends without one. */
  async routeMulticast(): Promise<void> {
    for (const host of this.hosts) {
      await this.#ip(this.namespace(host), ["route add 224.0.0.0/4 dev eth0"]);
    }
  }

  /** Ends every process on the host. */
  async killAll(host: string): Promise<void> {
    const pids = await run("ip", ["netns", "pids", this.namespace(host)]);
    for (const pid of pids.split("\n").filter(Boolean)) killNow(Number(pid));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of [...this.hosts.map((host) => this.namespace(host)), this.#bridge]) {
      await run("ip", ["netns", "delete", name]).catch(() => undefined);
    }
  }

  get #bridge(): string {
    return `${this.#prefix}bridge`;
  }

  #number(host: string): number {
    const index = this.hosts.indexOf(host);
    if (index < 0) throw new Error(`No host ${host}`);
    return index + 1;
  }

  /** The bridge's end of the host's cable. */
  #port(host: string): string {
    return `b${this.#number(host)}`;
  }

  async #build(): Promise<void> {
    await run("ip", ["netns", "add", this.#bridge]);
    const bridge = ["link add br0 type bridge stp_state 0 mcast_snooping 0 forward_delay 0"];
    await this.#ip(this.#bridge, [...bridge, "link set br0 up"]);
    for (const host of this.hosts) await this.#plug(host);
    await this.#nft(rules);
  }

  async #plug(host: string): Promise<void> {
    const port = this.#port(host);
    await run("ip", ["netns", "add", this.namespace(host)]);
    await this.#ip(this.namespace(host), [
      "link set lo up",
      `link add eth0 type veth peer name ${port} netns ${this.#bridge}`,
      `addr add ${this.address(host)}/24 dev eth0`,
      "link set eth0 up",
    ]);
    await this.#ip(this.#bridge, [`link set ${port} master br0 up`]);
  }

  async #ip(namespace: string, lines: readonly string[]): Promise<void> {
    await run("ip", ["-n", namespace, "-batch", "-"], `${lines.join("\n")}\n`);
  }

  async #nft(script: string): Promise<void> {
    const [program, ...args] = inside(this.#bridge, ["nft", "-f", "-"]);
    await run(program, args, script);
  }
}

const rules = `
table bridge lab {
  set cut { type ifname . ifname; }
  set lossy { type ifname; }
  chain loss {
    type filter hook forward priority 1; policy accept;
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname . oifname @cut drop
  }
}
`;
