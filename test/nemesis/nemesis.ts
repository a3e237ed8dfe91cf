/** What a fault can do, and what it may expect of the cluster while it lasts. */
import { type Random } from "../../src/base/random.ts";
import { delay, systemClock } from "../../src/base/clock.ts";
import { until } from "../support/until.ts";
import { type LabAgent } from "../support/lab/agent.ts";
import { type Lab } from "../support/lab/lab.ts";
import { type Journal } from "./journal.ts";

/** Ample for a machine that is busy with other things: a cluster that has not come back by then does not. */
const progressDeadlineMs = 45_000;

export class Siege {
  readonly lab: Lab;
  readonly random: Random;
  readonly #journal: Journal;
  readonly #log: (line: string) => void;
  readonly #endMs: number;

  constructor(
    lab: Lab,
    options: {
      readonly random: Random;
      readonly journal: Journal;
      readonly log: (line: string) => void;
      readonly endMs: number;
    },
  ) {
    this.lab = lab;
    this.random = options.random;
    this.#journal = options.journal;
    this.#log = options.log;
    this.#endMs = options.endMs;
  }

  get over(): boolean {
    return performance.now() >= this.#endMs;
  }

  say(line: string): void {
    this.#log(line);
  }

  /** Clients get so many writes acknowledged from now on: the cluster is available. */
  async progress(during: string, writes = 20): Promise<void> {
    const goal = this.#journal.acknowledged + writes;
    const what = `writes are acknowledged ${during}`;
    await until({ what, deadlineMs: progressDeadlineMs }, () => this.#journal.acknowledged >= goal);
  }

  /** Clients are turned down: the cluster says that it cannot, instead of doing what it must not. */
  async refusals(during: string): Promise<void> {
    const goal = this.#journal.failed + this.#journal.unknown + 3;
    const what = `writes are refused ${during}`;
    await until({ what, deadlineMs: progressDeadlineMs }, () => {
      return this.#journal.failed + this.#journal.unknown >= goal;
    });
  }

  /** Some time in [from, to] milliseconds. */
  async wait(from: number, to: number): Promise<void> {
    await delay(systemClock, from + this.random.below(to - from + 1));
  }

  anyAgent(): LabAgent {
    const agent = this.lab.agents[this.random.below(this.lab.agents.length)];
    if (agent === undefined) throw new Error("There are no agents");
    return agent;
  }

  async follower(): Promise<LabAgent> {
    const leader = await this.lab.leader();
    const [name] = this.lab.shuffled(this.random).filter((other) => other !== leader.name);
    return this.lab.agent(name ?? leader.name);
  }
}

export interface Nemesis {
  readonly name: string;
  readonly about: string;
  /** What the lab must have for it. */
  readonly needs?: "disks" | "clocks";
  /** Least number of agents. */
  readonly least?: number;
  /** Harm done and undone, once. */
  strike(siege: Siege): Promise<void>;
}
