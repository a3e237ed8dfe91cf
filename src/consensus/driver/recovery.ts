/**
 * Brings log, snapshot and state machine together at start. A snapshot that is newer than the log was received
 * but its installation was interrupted: it is finished now.
 */
import { type Index, type RecoveredLog, type SnapshotMeta, type Term } from "../core/types.ts";
import { ConsensusError } from "../errors.ts";
import { isOfHistory } from "../lineage/generation.ts";
import { type Lineage } from "../lineage/types.ts";
import {
  type LogGenesis,
  type LogHealth,
  type LogStore,
  type SnapshotStore,
  type StateMachine,
} from "./ports.ts";

export interface Recovery {
  readonly recovered: RecoveredLog;
  readonly lineage: Lineage;
  readonly health: Exclude<LogHealth, "corrupt">;
  readonly detail: string;
}

export async function recover(
  {
    log,
    snapshots,
    stateMachine,
  }: {
    readonly log: LogStore;
    readonly snapshots: SnapshotStore;
    readonly stateMachine: StateMachine<unknown>;
  },
  genesis: LogGenesis,
  emptyState: (() => AsyncIterable<Uint8Array>) | null = null,
): Promise<Recovery> {
  const { recovered, lineage, health, detail } = await log.open(genesis);
  if (health === "corrupt") throw corrupt(detail);
  const newest = await snapshots.latest();
  // A path names only so many generations: the log itself knows longer that it goes on from a snapshot.
  const known = newest !== null && (await log.chainAt(newest.index)) === newest.chain;
  await snapshots.retain((meta) => isOfHistory(meta, lineage) || (known && meta.id === newest.id));
  const snapshot = await snapshots.latest();
  const joined = await join(log, recovered, snapshot);
  // Only after a change of generation: a frozen agent applied what was never confirmed, or it starts over.
  if (emptyState !== null && stateMachine.appliedIndex > joined.hardState.commit) {
    await stateMachine.restore(emptyState(), 0);
  }
  if (snapshot !== null && stateMachine.appliedIndex < snapshot.index) {
    await stateMachine.restore(snapshots.read(snapshot.id, 0), snapshot.index);
  }
  const applied = stateMachine.appliedIndex;
  return { recovered: { ...joined, applied }, lineage, health, detail };
}

async function join(
  log: LogStore,
  recovered: RecoveredLog,
  snapshot: SnapshotMeta | null,
): Promise<RecoveredLog> {
  const { firstIndex, hardState } = recovered;
  if ((snapshot?.index ?? 0) < firstIndex - 1) {
    throw corrupt(`it begins at entry ${firstIndex}, and no snapshot holds what came before`);
  }
  if (snapshot === null) return recovered;
  // Only what a snapshot holds is compacted, so a snapshot that ends where the log begins is of this history.
  const adjoins = snapshot.index === firstIndex - 1;
  if (adjoins || termAt(recovered, snapshot.index) === snapshot.term) {
    const commit = Math.max(hardState.commit, snapshot.index);
    return { ...recovered, snapshot, hardState: { ...hardState, commit } };
  }
  const newer = snapshot.term > hardState.term;
  const vote = newer ? null : hardState.vote;
  const term = Math.max(hardState.term, snapshot.term);
  const renewed = { term, vote, commit: snapshot.index };
  await log.reset(snapshot, renewed);
  return {
    hardState: renewed,
    configs: [snapshot.config],
    snapshot,
    firstIndex: snapshot.index + 1,
    lastIndex: snapshot.index,
    termRuns: [],
    tail: [],
    applied: 0,
  };
}

function termAt({ firstIndex, lastIndex, termRuns }: RecoveredLog, index: Index): Term | null {
  if (index < firstIndex || index > lastIndex) return null;
  return termRuns.findLast((run) => run.first <= index)?.term ?? null;
}

function corrupt(detail: string): ConsensusError {
  const message = `The log of this agent is damaged: ${detail}. It must not vote with it: give the agent a new data directory and let it join again.`;
  return new ConsensusError("LOG_CORRUPT", message, { detail });
}
