/**
 * What an experiment of the membership bench is: a fault, done to a fleet that has converged, and what was seen. Times
 * are in milliseconds from the fault to the line in the observer's log. "About healthy" counts members called failed
 * that had no fault, "at healthy" those of them that a faultless observer named.
 */
import { delay, systemClock } from "../../src/base/clock.ts";
import { type Random } from "../../src/base/random.ts";
import { until } from "../../test/support/until.ts";
import { type Fleet } from "./fleet.ts";
import { type MemberEvent } from "./member-event-log.ts";

export interface Settings {
  readonly rounds: number;
  readonly seconds: number;
  /** So many agents are started at once, each time when all before see each other. */
  readonly batch: number;
  readonly random: Random;
  /** Aborts when the bench is interrupted. */
  readonly signal: AbortSignal;
}

export interface Measure {
  readonly name: string;
  readonly unit: string;
  /** Null: not seen in time. */
  readonly values: readonly (number | null)[];
}

export type Experiment = (fleet: Fleet, settings: Settings) => Promise<readonly Measure[]>;

/** No wait of an experiment is longer, but those that it asks for itself. */
const waitMs = 200_000;

export function pause({ signal }: Settings, ms: number): Promise<void> {
  return delay(systemClock, ms, signal);
}

/** Waits for a fact; fails at the deadline, or when the bench is interrupted. */
export async function seen(
  what: string,
  { signal }: Settings,
  fact: () => boolean | Promise<boolean>,
): Promise<void> {
  await until({ what, deadlineMs: waitMs, everyMs: 20 }, () => signal.aborted || fact());
  signal.throwIfAborted();
}

/** Each of `hosts` sees exactly these hosts. */
export function converged(
  fleet: Fleet,
  settings: Settings,
  hosts: readonly string[] = fleet.hosts,
): Promise<void> {
  return seen(`all views hold ${hosts.length} members`, settings, () => {
    const short = hosts.filter((host) => fleet.events.view(host).size !== hosts.length);
    if (short.length === 0) return true;
    const lacks = short.slice(0, 5).map((host) => {
      const view = fleet.events.view(host);
      return `${host} lacks ${hosts.filter((other) => !view.has(other)).join(" ")}`;
    });
    throw new Error(`${short.length} are short of some: ${lacks.join("; ")}`);
  });
}

export function isLoss({ kind }: MemberEvent): boolean {
  return kind === "failed" || kind === "left";
}

/** What the inventory has more than it had; nothing where there is no inventory. */
export async function inventoryWatch(fleet: Fleet): Promise<() => Promise<readonly Measure[]>> {
  const before = await fleet.inventory();
  return async () => {
    const after = await fleet.inventory();
    if (before === null || after === null) return [];
    const grown = (of: "entries" | "changes" | "discovered"): number[] => [after[of] - before[of]];
    return [
      { name: "entries in the inventory's log", unit: "entries", values: grown("entries") },
      { name: "changes in the inventory", unit: "changes", values: grown("changes") },
      { name: "nodes discovered again", unit: "nodes", values: grown("discovered") },
    ];
  };
}
