/** The driver's numbers. Those of the protocol itself are CoreOptions, in ticks. */
import { defaultCoreOptions } from "../core/options.ts";
import { type Configuration, type CoreOptions, type NodeId } from "../core/types.ts";
import { type Lineage } from "../lineage/types.ts";

const kib = 1024;
const mib = 1024 * kib;

export interface DriverOptions {
  readonly self: NodeId;
  readonly core: Omit<CoreOptions, "self" | "random">;
  /** Of a store that has none; null for an agent that joins. */
  readonly bootstrap: Configuration | null;
  /** Of a store that has none: the bootstrap generation of its cluster. */
  readonly lineage: Lineage;
  /** This agent had a log before: one that is gone is damage, and not the beginning. */
  readonly hadLog: boolean;
  /** Start without taking part, until `release`. */
  readonly held: boolean;
  /** How often this agent was started, this time included. */
  readonly starts: number;
  readonly tickMs: number;
  /** Proposals that were accepted and are not applied yet; more are refused as BUSY. */
  readonly maxPendingProposals: number;
  readonly maxPendingBytes: number;
  readonly busyRetryMs: number;
  /** After this long a proposal's outcome is declared unknown. */
  readonly proposalTimeoutMs: number;
  /** Longest time one turn steps messages, and longest it applies entries. */
  readonly inboxBudgetMs: number;
  readonly applyBudgetMs: number;
  /** Longest time that news of the commit index wait for entries to go with. */
  readonly commitNewsMs: number;
  /** A snapshot is due after this many entries, or when the log outgrew this or 4 snapshots. */
  readonly snapshotEntries: number;
  readonly snapshotLogBytes: number;
  /** Entries (and bytes) kept behind a snapshot, so that a slow follower needs no snapshot. */
  readonly trailingEntries: number;
  readonly trailingBytes: number;
  /** Give leadership away before stopping, waiting at most this long (0 = just stop). */
  readonly transferOnStopMs: number;
}

export const defaultDriverOptions: Omit<DriverOptions, "self" | "bootstrap" | "lineage"> = {
  core: defaultCoreOptions,
  hadLog: false,
  held: false,
  starts: 1,
  tickMs: 50,
  maxPendingProposals: 8192,
  maxPendingBytes: 64 * mib,
  busyRetryMs: 100,
  proposalTimeoutMs: 10_000,
  inboxBudgetMs: 4,
  applyBudgetMs: 8,
  commitNewsMs: 5,
  snapshotEntries: 50_000,
  snapshotLogBytes: 16 * mib,
  trailingEntries: 25_000,
  trailingBytes: 32 * mib,
  transferOnStopMs: 2000,
};

export function electionTimeoutMs({ core, tickMs }: DriverOptions): number {
  return core.electionTicks * tickMs;
}
