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

  /** Each of these agents acknowledges writes from now on: every group goes on by itself. */
  async progressOf(names: readonly string[], during: string): Promise<void> {
    const { by } = this.#journal;
    const before = new Map(names.map((name) => [name, by.get(name) ?? 0]));
    for (const [name, count] of before) {
      const what = `${name} acknowledges writes ${during}`;
      const deadlineMs = progressDeadlineMs * 2;
      await until({ what, deadlineMs }, () => (by.get(name) ?? 0) >= count + 3);
    }
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

/** All agents are in one generation that nothing is missing of any more. */
export async function whole(lab: Lab): Promise<void> {
  await until({ what: "all are in one settled generation", deadlineMs: 120_000 }, async () => {
    const seen = await Promise.all(lab.agents.map((agent) => agent.get<Status>("/v1/status")));
    const generations = new Set(seen.map(({ cluster }) => cluster.generation));
    if (seen.every(({ mode }) => mode === "normal") && generations.size === 1) return true;
    throw new Error(JSON.stringify(seen.map(({ mode, cluster }) => [mode, cluster.generation])));
  });
}

interface Status {
  readonly mode: string;
  readonly cluster: { readonly generation: number };
}

export interface Nemesis {
  readonly name: string;
  readonly about: string;
  /** What the lab must have for it. */
  readonly needs?: "disks" | "clocks";
  /**
   * `history` (when left out): clients see one copy. `kept`: groups go on by themselves, and what each acknowledged is
   * in the state or in the journal of conflicts in the end.
   */
  readonly promise?: "history" | "kept";
  /** Harm done and undone, once. */
  strike(siege: Siege): Promise<void>;
}
