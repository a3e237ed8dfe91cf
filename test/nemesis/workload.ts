/** Clients at work: each a loop that makes one request at a time, until told to stop. */
import { type Random, seededRandom } from "../../src/base/random.ts";
import { delay, systemClock } from "../../src/base/clock.ts";
import { errorMessage } from "../../src/base/errors.ts";
import { type Recorder } from "../linearizability/recorder.ts";
import { type TestAgent } from "../support/agents.ts";
import { type Journal } from "./journal.ts";

export interface Field {
  readonly agents: readonly TestAgent[];
  readonly recorder: Recorder;
  readonly journal: Journal;
  /** Begins every name that this run's clients use. */
  readonly prefix: string;
  /** Aborted when clients should end. */
  readonly signal: AbortSignal;
}

export interface Client {
  /** Makes one request, or a few that belong together. */
  step(): Promise<void>;
}

export interface Workload {
  /** The clients, drawing on `random`; some are bound to one agent, some go from one to another. */
  clients(field: Field, random: () => Random): readonly Client[];
  /** After the last step: what is there is compared with what was acknowledged. */
  check(field: Field): Promise<void>;
}

/** Resolves when all clients have ended. */
export async function runClients(
  workloads: readonly Workload[],
  field: Field,
  options: { readonly seed: number; readonly pauseMs: number },
): Promise<void> {
  let seeds = options.seed;
  const random = (): Random => seededRandom((seeds += 1));
  const clients = workloads.flatMap((workload) => workload.clients(field, random));
  await Promise.all(clients.map((client) => loop(client, field, options.pauseMs)));
}

async function loop(client: Client, field: Field, pauseMs: number): Promise<void> {
  while (!field.signal.aborted) {
    try {
      await client.step();
    } catch (error) {
      field.journal.problems.push(errorMessage(error));
    }
    await delay(systemClock, pauseMs * (0.5 + Math.random()));
  }
}

export function pick<T>(items: readonly T[], random: Random): T {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new Error("There is nothing to pick from");
  return item;
}
