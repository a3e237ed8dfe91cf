/**
 * How an agent leaves a history that lost: it freezes, gives the winner what it has, asks to be no voter there, and
 * starts over. Every step can be repeated: after a crash the agent is still frozen, meets the winner again, and begins
 * anew; pages that the winner has already change nothing.
 */
import { type Clock, delay, unlessAborted } from "../../base/clock.ts";
import { errorCode, errorMessage } from "../../base/errors.ts";
import { type Logger } from "../../base/logger.ts";
import { type Configuration, type NodeId } from "../core/types.ts";
import { type Departure } from "../lineage/coordinator-types.ts";
import { currentGeneration, refOf } from "../lineage/generation.ts";
import {
  type DepartedHistory,
  type HistoryKeeper,
  type LineagePeers,
  type MergePolicy,
} from "../lineage/ports.ts";
import { type LineageEngine } from "./ports.ts";

export interface DepartureDependencies {
  readonly self: NodeId;
  readonly engine: LineageEngine;
  readonly peers: Pick<LineagePeers, "merge" | "demote">;
  readonly policy: Pick<MergePolicy, "pages">;
  readonly archive: HistoryKeeper;
  readonly clock: Clock;
  readonly logger: Logger;
  /** One change of the engine at a time. */
  readonly exclusively: <T>(change: () => Promise<T>) => Promise<T>;
}

const firstPauseMs = 200;
const longestPauseMs = 2000;
/** A step that does not succeed for so long is given up: the winner may be gone. */
const stepLimitMs = 30_000;
/** A copy that takes longer, as on a disk that hangs, is done without. */
const copyLimitMs = 30_000;

/** @throws whatever the last attempt of a step threw. */
export async function depart(
  { via, generations, exportAfter }: Departure,
  deps: DepartureDependencies,
  progress: { readonly at: (step: "exporting" | "resync") => void; readonly signal: AbortSignal },
): Promise<void> {
  const { self, engine, peers, policy, exclusively, logger } = deps;
  const { signal } = progress;
  await exclusively(() => engine.freeze());
  progress.at("exporting");
  if (exportAfter !== null) {
    const generation = refOf(currentGeneration(engine.lineage()));
    const winners = currentGeneration({ generations }).members;
    const members = sideOf(engine.status().effective, winners, self);
    const common = { generation, forkIndex: exportAfter, members };
    let sequence = 0;
    // One by one: a large export is never in memory whole.
    for (const { bytes, isLast } of withLast(policy.pages(exportAfter))) {
      const page = { ...common, sequence, bytes, pages: isLast ? sequence + 1 : null };
      await persistently(deps, signal, () => peers.merge(via, page));
      sequence += 1;
    }
    logger.info({ pages: sequence, after: exportAfter, via }, "gave the winner what it lacks");
    const winner = refOf(currentGeneration({ generations }));
    const { last: lastIndex } = engine.status();
    await keepCopy(deps, { generation, forkIndex: exportAfter, lastIndex, winner }, signal);
  }
  progress.at("resync");
  const { generations: path, commit } = await persistently(deps, signal, () =>
    peers.demote(via, self),
  );
  await exclusively(() => engine.enter({ kind: "reset", generations: path, voteFrom: commit }));
}

/** @throws the signal's reason, and nothing else: the copy may go on by itself for a moment, but nobody waits for it. */
async function keepCopy(
  { archive, clock, logger }: DepartureDependencies,
  history: DepartedHistory,
  signal: AbortSignal,
): Promise<void> {
  const limit = new AbortController();
  const disarm = clock.setTimer(copyLimitMs, () => limit.abort());
  const ends = AbortSignal.any([signal, limit.signal]);
  try {
    await unlessAborted(archive.keep(history, ends), ends);
  } catch (error) {
    signal.throwIfAborted();
    const data = { afterMs: copyLimitMs, error: errorMessage(error) };
    logger.warn(data, "no copy of the history that lost in time; goes on without");
  } finally {
    disarm();
  }
}

function* withLast(
  pages: Iterable<Uint8Array>,
): Generator<{ readonly bytes: Uint8Array; readonly isLast: boolean }, void> {
  let held: Uint8Array | null = null;
  for (const bytes of pages) {
    if (held !== null) yield { bytes: held, isLast: false };
    held = bytes;
  }
  if (held !== null) yield { bytes: held, isLast: true };
}

/** Who was on this side: the members of its configuration that are not the winner's. */
function sideOf(
  { sets, standbys, observers }: Configuration,
  winners: readonly NodeId[],
  self: NodeId,
): readonly NodeId[] {
  const members = new Set([...sets.flat(), ...standbys, ...observers, self]);
  return [...members].filter((id) => id === self || !winners.includes(id)).sort();
}

async function persistently<T>(
  { clock, logger }: DepartureDependencies,
  signal: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T> {
  const deadlineMs = clock.monotonicMs() + stepLimitMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (clock.monotonicMs() >= deadlineMs) throw error;
      const data = { code: errorCode(error), error: errorMessage(error) };
      logger.debug(data, "the winner did not take it yet");
    }
    await delay(clock, pauseMs, signal);
  }
}
