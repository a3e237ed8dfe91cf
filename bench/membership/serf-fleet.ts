/** Debian's serf with its LAN profile. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { inside, run } from "../../test/support/lab/command.ts";
import { type LabNetwork } from "../../test/support/lab/network.ts";
import { ownPrefix } from "../../test/support/lab/owner.ts";
import { until } from "../../test/support/until.ts";
import { type Fleet, type FleetOptions } from "./fleet.ts";
import { MemberEventLog } from "./member-event-log.ts";

const port = 7946;
const bulkPort = 7999;

export class SerfFleet implements Fleet {
  readonly label = "serf";
  readonly leaveSignal = "SIGINT";
  readonly events = new MemberEventLog(parse);
  readonly network: LabNetwork;
  readonly #folder: string;
  readonly #options: FleetOptions;
  readonly #agents = new Map<string, ChildProcess>();
  readonly #transfers = new Set<ChildProcess>();
  #key = newKey();
  #isOver = false;

  private constructor(network: LabNetwork, folder: string, options: FleetOptions) {
    this.network = network;
    this.#folder = folder;
    this.#options = options;
  }

  static async create(network: LabNetwork, options: FleetOptions): Promise<SerfFleet> {
    const folder = await mkdtemp(path.join(os.tmpdir(), `${ownPrefix()}serf-`));
    return new SerfFleet(network, folder, options);
  }

  get hosts(): readonly string[] {
    return this.network.hosts;
  }

  /** One that is still leaving is waited for: it has the ports. */
  async start(host: string): Promise<void> {
    await this.#gone(host);
    if (this.#isOver) throw new Error("The fleet is taken down");
    const file = path.join(this.#folder, `${host}.log`);
    this.events.follow(host, file);
    const log = openSync(file, "a");
    const bind = `-bind=${this.network.address(host)}:${port}`;
    const common = [bind, "-rpc-addr=127.0.0.1:7373", "-profile=lan", "-log-level=info"];
    const memory = [`-snapshot=${path.join(this.#folder, `${host}.snapshot`)}`, "-rejoin"];
    const args = [...common, ...memory, ...this.#join(host), ...(await this.#keyArguments(host))];
    const command = ["serf", "agent", `-node=${host}`, ...args];
    const [program, ...rest] = inside(this.network.namespace(host), command);
    const child = spawn(program, rest, { stdio: ["ignore", log, log], cwd: this.#folder });
    closeSync(log);
    this.#agents.set(host, child);
  }

  pid(host: string): number {
    return this.#agents.get(host)?.pid ?? -1;
  }

  async stop(host: string): Promise<void> {
    this.#agents.get(host)?.kill("SIGTERM");
    await this.#gone(host);
  }

  async seedReady(): Promise<void> {
    await until({ what: "serf's seed is up" }, () => this.#serf(["members"]).then(() => true));
  }

  inventory(): Promise<null> {
    return Promise.resolve(null);
  }

  voters(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  failedProbes(): Promise<number> {
    return Promise.resolve(this.events.since(0).filter(({ kind }) => kind === "suspect").length);
  }

  roundTrips(): Promise<null> {
    return Promise.resolve(null);
  }

  worstHealth(): Promise<null> {
    return Promise.resolve(null);
  }

  gossipBytes(): Promise<null> {
    return Promise.resolve(null);
  }

  async rotateKeys(): Promise<void> {
    const [old, next] = [this.#key, newKey()];
    // Its answers are datagrams: where some get lost a step ends with an error, and is to be done again.
    for (const step of [`-install=${next}`, `-use=${next}`, `-remove=${old}`]) {
      await until({ what: `serf keys ${step}`, deadlineMs: 120_000 }, () =>
        this.#serf(["keys", step]).then(
          () => true,
          () => false,
        ),
      );
    }
    this.#key = next;
  }

  async tell(name: string): Promise<void> {
    await this.#serf(["event", "-coalesce=false", name, "load"]);
  }

  /** Serf has nothing large to send: another program on the same hosts does, over the same links. */
  async sendBulk(megabytes: number): Promise<void> {
    const [seed = "", ...rest] = this.hosts;
    const serve = `const piece = Buffer.alloc(1 << 20); require("node:net").createServer((socket) => {
      let left = ${megabytes}; const more = () => { while (left-- > 0) if (!socket.write(piece)) return; socket.end(); };
      socket.on("drain", more).on("error", () => {}); more(); }).listen(${bulkPort});`;
    const take = `require("node:net").connect(${bulkPort}, "${this.network.address(seed)}").resume();`;
    this.#transfer(seed, serve);
    const listens = ["ss", "-Hltn", `sport = :${bulkPort}`];
    const [program, ...args] = inside(this.network.namespace(seed), listens);
    await until({ what: "the transfer is served" }, async () => (await run(program, args)) !== "");
    for (const host of rest) this.#transfer(host, take);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    for (const child of [...this.#agents.values(), ...this.#transfers]) child.kill("SIGKILL");
    this.events.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #transfer(host: string, script: string): void {
    const node = [process.execPath, "-e", script];
    const [program, ...args] = inside(this.network.namespace(host), node);
    this.#transfers.add(spawn(program, args, { stdio: "ignore" }));
  }

  /** Runs serf's client on the first host. */
  async #serf(args: readonly string[]): Promise<void> {
    const [seed = ""] = this.hosts;
    const [program, ...rest] = inside(this.network.namespace(seed), ["serf", ...args]);
    await run(program, rest);
  }

  #join(host: string): readonly string[] {
    const [seed = host] = this.hosts;
    if (this.#options.discovery === true) return ["-discover=lab", "-iface=eth0"];
    if (host === seed || this.#agents.has(host)) return [];
    return [`-retry-join=${this.network.address(seed)}`, "-retry-interval=1s"];
  }

  async #keyArguments(host: string): Promise<readonly string[]> {
    if (this.#options.keys !== true) return [];
    const file = path.join(this.#folder, `${host}.keys`);
    if (!this.#agents.has(host)) await writeFile(file, JSON.stringify([this.#key]));
    return [`-keyring-file=${file}`];
  }

  async #gone(host: string): Promise<void> {
    const child = this.#agents.get(host);
    if (child?.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
}

function newKey(): string {
  return randomBytes(32).toString("base64");
}

const kinds = { Join: "join", Failed: "failed", Leave: "left" } as const;

function parse(line: string): ReturnType<ConstructorParameters<typeof MemberEventLog>[0]> {
  if (line.includes("Serf agent starting")) return { kind: "up", subject: "" };
  const event = /serf: EventMember(Join|Failed|Leave): (\S+)/.exec(line);
  if (event !== null) {
    const kind = kinds[event[1] as keyof typeof kinds];
    return { kind, subject: event[2] ?? "" };
  }
  const suspect = /Suspect (\S+) has failed/.exec(line);
  return suspect === null ? null : { kind: "suspect", subject: suspect[1] ?? "" };
}
