/** Debian's serf with its LAN profile. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { inside } from "../../test/support/lab/command.ts";
import { type LabNetwork } from "../../test/support/lab/network.ts";
import { ownPrefix } from "../../test/support/lab/owner.ts";
import { until } from "../../test/support/until.ts";
import { type Fleet } from "./fleet.ts";
import { MemberEventLog } from "./member-event-log.ts";

const port = 7946;

export class SerfFleet implements Fleet {
  readonly kind = "serf";
  readonly leaveSignal = "SIGINT";
  readonly events = new MemberEventLog(parse);
  readonly network: LabNetwork;
  readonly #folder: string;
  readonly #children = new Map<string, ChildProcess>();

  private constructor(network: LabNetwork, folder: string) {
    this.network = network;
    this.#folder = folder;
  }

  static async create(network: LabNetwork): Promise<SerfFleet> {
    return new SerfFleet(network, await mkdtemp(path.join(os.tmpdir(), `${ownPrefix()}serf-`)));
  }

  get hosts(): readonly string[] {
    return this.network.hosts;
  }

  /** One that is still leaving is waited for: it has the ports. */
  async start(host: string): Promise<void> {
    const before = this.#children.get(host);
    if (before !== undefined && before.exitCode === null && before.signalCode === null) {
      await once(before, "exit");
    }
    const [seed = host] = this.hosts;
    const file = path.join(this.#folder, `${host}.log`);
    this.events.follow(host, file);
    const log = openSync(file, "a");
    const join =
      host === seed ? [] : [`-retry-join=${this.network.address(seed)}`, "-retry-interval=1s"];
    const bind = `-bind=${this.network.address(host)}:${port}`;
    const common = [bind, "-rpc-addr=127.0.0.1:7373", "-profile=lan", "-log-level=info"];
    const [program, ...args] = inside(this.network.namespace(host), ["serf", "agent"]);
    const child = spawn(program, [...args, `-node=${host}`, ...common, ...join], {
      stdio: ["ignore", log, log],
      cwd: this.#folder,
    });
    closeSync(log);
    this.#children.set(host, child);
  }

  pid(host: string): number {
    return this.#children.get(host)?.pid ?? -1;
  }

  async seedReady(): Promise<void> {
    const [seed = ""] = this.hosts;
    await until({ what: "serf's seed is up" }, () => this.events.mark > 0 && seed !== "");
  }

  inventoryChanges(): Promise<null> {
    return Promise.resolve(null);
  }

  suspicions(): Promise<number> {
    return Promise.resolve(this.events.since(0).filter(({ kind }) => kind === "suspect").length);
  }

  gossipBytes(): Promise<null> {
    return Promise.resolve(null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.values()) child.kill("SIGKILL");
    this.events.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

const kinds = { Join: "join", Failed: "failed", Leave: "left" } as const;

function parse(line: string): ReturnType<ConstructorParameters<typeof MemberEventLog>[0]> {
  const event = /serf: EventMember(Join|Failed|Leave): (\S+)/.exec(line);
  if (event !== null) {
    const kind = kinds[event[1] as keyof typeof kinds];
    return { kind, subject: event[2] ?? "" };
  }
  const suspect = /Suspect (\S+) has failed/.exec(line);
  return suspect === null ? null : { kind: "suspect", subject: suspect[1] ?? "" };
}
