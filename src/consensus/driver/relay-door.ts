/**
 * What an engine does for and with members that live on relayed entries: it takes what a neighbour relays, gives what
 * it has applied itself, and asks the leader for read indexes when the leader does not stream to it.
 */
import { type Background } from "../../base/background.ts";
import { type Clock } from "../../base/clock.ts";
import {
  type Entry,
  type Index,
  type NodeId,
  type RaftCore,
  type SnapshotMeta,
} from "../core/types.ts";
import { type EngineDependencies } from "./engine-types.ts";
import { type LeaderContact } from "./leader-contact.ts";
import { type LogStore } from "./ports.ts";
import { type ReadBarriers } from "./read-barriers.ts";
import { type RelayedBatch } from "./relay-types.ts";
import { type Snapshots } from "./snapshots.ts";

interface Dependencies extends Pick<EngineDependencies<unknown>, "askLeader"> {
  readonly core: RaftCore;
  readonly loop: {
    relayed(batch: Parameters<RaftCore["relayed"]>[0]): boolean;
    wake(): void;
  };
  readonly contact: LeaderContact;
  readonly barriers: ReadBarriers;
  readonly snapshots: Snapshots;
  readonly background: Background;
  readonly log: LogStore;
  readonly clock: Clock;
  readonly applied: () => Index;
}

/** So long the word of a neighbour about the leader counts; a neighbour answers sooner. */
const hearsayMs = 10_000;

export class RelayDoor {
  readonly #generation: string;
  readonly #leaderTicks: number;
  readonly #deps: Dependencies;

  constructor(
    { tickMs, generation }: { readonly tickMs: number; readonly generation: string },
    dependencies: Dependencies,
  ) {
    this.#generation = generation;
    this.#leaderTicks = Math.ceil(hearsayMs / tickMs);
    this.#deps = dependencies;
  }

  /** False when it does not fit the log here, or the leader streams to this agent. */
  take({ prevIndex, entries, leader, leaderAgeMs }: RelayedBatch): boolean {
    const { loop, contact, clock } = this.#deps;
    const leaderTicks = this.#leaderTicks;
    const taken = loop.relayed({ prevIndex, entries, leader, leaderTicks });
    if (taken && leader !== null) contact.heardOf(clock.monotonicMs() - leaderAgeMs);
    return taken;
  }

  /** Applied entries from `from` on, at least one if there is one; null when they were compacted. */
  async give(from: Index, maxBytes: number): Promise<readonly Entry[] | null> {
    const applied = this.#deps.applied();
    if (from > applied) return [];
    const entries = await this.#deps.log.read(from, maxBytes);
    return entries?.filter(({ index }) => index <= applied) ?? null;
  }

  offerSnapshot(to: NodeId): SnapshotMeta | null {
    return this.#deps.snapshots.offer(to);
  }

  expectSnapshot(from: NodeId | null): void {
    this.#deps.snapshots.expect(from);
  }

  /** The read index for `context`: by Raft's own messages, or by asking a leader that streams to others only. */
  read(context: number): void {
    const { core, contact, askLeader, background, barriers, loop, applied } = this.#deps;
    const { leader } = contact;
    if (contact.isLeader || leader === null || askLeader === undefined || !core.status().relayed) {
      core.readIndex(context);
      return;
    }
    background.run("ask the leader for a read index", async (signal) => {
      const index = await askLeader(leader, this.#generation, signal).catch(() => null);
      if (signal.aborted) return;
      barriers.answer({ context, index: index ?? 0, ok: index !== null }, applied());
      loop.wake();
    });
  }
}
