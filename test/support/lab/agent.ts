/**
 * An agent on a host of its own: in the host's network, with the clock and the disk that the test gives it. Its
 * API is asked over the unix socket, which no partition reaches.
 */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { errorCode } from "../../../src/base/errors.ts";
import { musterBin, TestAgent } from "../agents.ts";
import { inside, run } from "./command.ts";
import { type LabNetwork } from "./network.ts";
import { ownPrefix } from "./owner.ts";
import { Tracer } from "./tracer.ts";

const peerPort = 7700;
const faketime = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

export class LabAgent extends TestAgent {
  readonly #network: LabNetwork;
  readonly #clockFile: string;
  #disk = false;
  #hasClock = false;
  #tracer: Tracer | null = null;

  constructor(name: string, folder: string, network: LabNetwork) {
    super(name, folder, peerPort);
    this.#network = network;
    this.#clockFile = path.join(folder, `${name}.clock`);
  }

  override get address(): string {
    return `${this.#network.address(this.name)}:${this.port}`;
  }

  protected override get command(): readonly [string, ...string[]] {
    return inside(this.#network.namespace(this.name), [musterBin()]);
  }

  override start(
    verb: "agent" | "bootstrap",
    args: readonly string[] = [],
    env: NodeJS.ProcessEnv = {},
  ): void {
    super.start(verb, args, { ...(this.#hasClock ? this.#clockEnvironment() : {}), ...env });
  }

  override async kill(signal: NodeJS.Signals): Promise<number | null> {
    await this.stopTracing();
    // A stopped process takes nothing but SIGKILL before it goes on.
    if (signal !== "SIGKILL") this.signal("SIGCONT");
    return super.kill(signal);
  }

  /** The machine loses its power: every process on it ends at once, whatever it was started for. */
  async powerOff(): Promise<void> {
    this.signal("SIGKILL");
    await this.#network.killAll(this.name);
    await this.kill("SIGKILL");
  }

  /** From its next start on, the agent has a wall clock that can be set. */
  giveClock(): void {
    this.#hasClock = true;
    this.setClock(0);
  }

  /** The agent's wall clock jumps: so many seconds from the machine's. The monotonic one does not. */
  setClock(offsetSeconds: number): void {
    writeFileSync(this.#clockFile, `${offsetSeconds < 0 ? "" : "+"}${offsetSeconds}\n`);
  }

  /** A disk of its own that can be filled. Before the first start. */
  async giveDisk(megabytes: number): Promise<void> {
    await mkdir(this.dataDir, { recursive: true, mode: 0o700 });
    const options = `size=${megabytes}m,mode=0700`;
    await run("mount", ["-t", "tmpfs", "-o", options, `${ownPrefix()}disk`, this.dataDir]);
    this.#disk = true;
  }

  /** Takes the last free byte of the agent's disk. */
  fillDisk(): void {
    if (!this.#disk) throw new Error(`${this.name} has no disk of its own: filling is not safe`);
    const file = openSync(this.#filling, "a");
    try {
      // Large pieces first: the last ones find the room that a large one no longer has.
      for (const size of [1 << 20, 1 << 12, 1]) writeUntilFull(file, Buffer.alloc(size));
    } finally {
      closeSync(file);
    }
  }

  async freeDisk(): Promise<void> {
    await rm(this.#filling, { force: true });
  }

  async removeDisk(): Promise<void> {
    if (!this.#disk) return;
    await run("umount", ["--lazy", this.dataDir]);
    this.#disk = false;
  }

  /** From now on, until `stopTracing`, these system calls of the agent fail or are slow. */
  async trace(calls: readonly string[], injection: string): Promise<void> {
    await this.stopTracing();
    this.#tracer = await Tracer.attach(this.pid, calls, injection);
  }

  async stopTracing(): Promise<void> {
    const tracer = this.#tracer;
    this.#tracer = null;
    await tracer?.detach();
  }

  get #filling(): string {
    return path.join(this.dataDir, "filling");
  }

  #clockEnvironment(): NodeJS.ProcessEnv {
    return {
      LD_PRELOAD: faketime,
      FAKETIME_TIMESTAMP_FILE: this.#clockFile,
      FAKETIME_CACHE_DURATION: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }
}

function writeUntilFull(file: number, piece: Buffer): void {
  for (;;) {
    try {
      if (writeSync(file, piece) < piece.length) return;
    } catch (error) {
      if (errorCode(error) !== "ENOSPC") throw error;
      return;
    }
  }
}
