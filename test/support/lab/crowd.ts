/**
 * Many machines on one host of a lab, of which the cluster sees no more than that they join, and ask what became of
 * them: members by the hundred, for the price of one process.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { type Readable, type Writable } from "node:stream";
import { type TestAgent } from "../agents.ts";
import { inside } from "./command.ts";

export type CrowdRequest =
  | {
      readonly ask: "join";
      readonly seed: string;
      readonly token: string;
      readonly name: string;
      /** Where the machine says that it listens. */
      readonly address: string;
    }
  | {
      readonly ask: "standing";
      /** The machine that asks about itself. */
      readonly peer: string;
      readonly clusterId: string;
      /** Whom it asks, and where that is. */
      readonly member: string;
      readonly seed: string;
    };

export interface Joined {
  readonly peer: string;
  /** The name that it got. */
  readonly node: string;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

const script = path.join(import.meta.dirname, "crowd-host.ts");
const firstPort = 20_000;

export class Crowd implements AsyncDisposable {
  readonly #address: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #asked = 0;
  #joined = 0;

  /** @param address of the host, which `namespace` is the network of. */
  constructor(namespace: string, address: string) {
    this.#address = address;
    const [program, ...args] = inside(namespace, [process.execPath, script]);
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#take(line));
    this.#child.on("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("The crowd has ended"));
      this.#waiting.clear();
    });
  }

  /** Tries until it is in, for a minute at most. */
  join(seed: TestAgent, token: string, name: string): Promise<Joined> {
    this.#joined += 1;
    const address = `${this.#address}:${firstPort + this.#joined}`;
    const request = { ask: "join", seed: seed.address, token, name, address } as const;
    return this.#ask(request) as Promise<Joined>;
  }

  /** What a member answers to one of this crowd about itself: `admitted`, `evicted` or `unknown`. */
  async standing(
    peer: string,
    member: { readonly id: string; readonly agent: TestAgent; readonly clusterId: string },
  ): Promise<string> {
    const { id, agent, clusterId } = member;
    const request = { ask: "standing", peer, clusterId, member: id, seed: agent.address } as const;
    const { standing } = (await this.#ask(request)) as { standing: string };
    return standing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#child.once("exit", () => resolve());
    this.#child.kill("SIGKILL");
    await promise;
  }

  #ask(request: CrowdRequest): Promise<unknown> {
    this.#asked += 1;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#asked, waiting);
    this.#child.stdin.write(`${JSON.stringify({ id: this.#asked, request })}\n`);
    return waiting.promise;
  }

  #take(line: string): void {
    const { id, value, error } = JSON.parse(line) as Answer;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(error));
  }
}
