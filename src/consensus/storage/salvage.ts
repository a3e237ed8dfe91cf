/**
 * Starts a damaged log over from what is sound of it: the entries before the first fault. The agent may have
 * acknowledged and voted for more, so it neither votes nor stands until its log reaches what the watermark says it had
 * (`voteFrom`): by then it holds again everything that counted on it. A damaged entry is never taken for an absent one
 * (protocol-aware recovery, FAST'18). The damaged files are put aside, not removed.
 */
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { type Clock } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { type Index, type LogPosition, type SnapshotMeta } from "../core/types.ts";
import { type LogGenesis, type LogOpening } from "../driver/ports.ts";
import { ConsensusError } from "../errors.ts";
import { currentGeneration } from "../lineage/generation.ts";
import { type Lineage } from "../lineage/types.ts";
import { type LevelLogOptions, LevelLogStore } from "./level-log.ts";
import { nodeFiles } from "./files.ts";
import { readWatermark, type Watermark } from "./meta-file.ts";

/** What belongs to the log in its directory, in the order in which it is exchanged. */
const parts = ["meta.0", "meta.1", "log"] as const;
const building = "salvage";
const ready = "ready";
const aside = "damaged-";
const keptAside = 2;
const chunkBytes = 4 * 1024 * 1024;

export interface SalvageInput {
  readonly options: LevelLogOptions;
  readonly clock: Clock;
  readonly genesis: LogGenesis;
  /** The newest sound snapshot of this history: the new log begins behind it. */
  readonly snapshot: SnapshotMeta | null;
  /** Nothing is voted for before the log reaches this (`knownEnd`). */
  readonly voteFrom: LogPosition;
}

/**
 * @param damaged an opened log whose verdict is `corrupt`; it is closed.
 * @returns the last entry that is kept.
 */
export async function salvage(
  damaged: LevelLogStore,
  opening: LogOpening,
  { options, clock, genesis, snapshot, voteFrom }: SalvageInput,
): Promise<Index> {
  const { directory } = options;
  const folder = path.join(directory, building);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { mode: 0o700 });
  const fresh = new LevelLogStore({ ...options, directory: folder }, { clock });
  let last = 0;
  try {
    const known = opening.recovered.configs[0];
    // Whose entry is not in the new log, which may begin with nothing: then it is what this agent knows from elsewhere.
    const bootstrap = known === undefined ? genesis.bootstrap : { ...known, index: 0 };
    await fresh.open({ ...genesis, bootstrap, hadLog: false });
    last = await copy(damaged, fresh, opening, { voteFrom, snapshot });
  } finally {
    await fresh.close();
    await damaged.close();
  }
  await markReady(folder);
  await finishExchange(directory);
  return last;
}

/**
 * What a damaged log had at least.
 * @throws ConsensusError LOG_CORRUPT when nothing certain is known of it: then only a new data directory helps.
 */
export async function knownEnd(opening: LogOpening, directory: string): Promise<LogPosition> {
  return certain(opening, await readWatermark(directory));
}

/** Completes an exchange that a crash interrupted. To be called before the log is opened. */
export async function finishExchange(directory: string): Promise<void> {
  const folder = path.join(directory, building);
  if (!(await exists(path.join(folder, ready)))) return;
  const away = await asideFolder(directory);
  for (const part of parts) {
    const from = path.join(folder, part);
    if (!(await exists(from))) continue; // exchanged before the crash
    const to = path.join(directory, part);
    if (await exists(to)) await rename(to, path.join(away, part));
    await rename(from, to);
  }
  await nodeFiles.syncDirectory(away);
  await nodeFiles.syncDirectory(directory);
  await rm(folder, { recursive: true });
  await nodeFiles.syncDirectory(directory);
}

/** What the agent had acknowledged at most. The end of the valid run may not be it, so the watermark must be sound. */
function certain({ lineage, detail }: LogOpening, watermark: Watermark | null): LogPosition {
  if (watermark?.generation.id !== currentGeneration(lineage).id) {
    const message = `The log of this agent is damaged beyond what can be judged: ${detail}. Give the agent a new data directory and let it join again.`;
    throw new ConsensusError("LOG_CORRUPT", message, { detail });
  }
  const position = { term: watermark.lastTerm, index: watermark.last };
  const { voteFrom } = lineage;
  if (voteFrom === null || isBefore(voteFrom, position)) return position;
  return voteFrom; // damaged again before it had caught up
}

function isBefore(a: LogPosition, b: LogPosition): boolean {
  return a.term < b.term || (a.term === b.term && a.index < b.index);
}

/** Resolves with the index of the last entry that was kept. */
async function copy(
  from: LevelLogStore,
  to: LevelLogStore,
  { recovered, lineage: before }: LogOpening,
  { voteFrom, snapshot }: { readonly voteFrom: LogPosition } & Pick<SalvageInput, "snapshot">,
): Promise<Index> {
  const lineage: Lineage = { ...before, voteFrom };
  const { hardState, firstIndex, lastIndex } = recovered;
  const bare = { seq: 0, truncateFrom: null, entries: [], hardState, snapshot, mustSync: true };
  await to.append({ ...bare, lineage });
  const start = snapshot?.index ?? 0;
  if (start < firstIndex - 1) return start; // nothing bridges what was compacted
  let next = start + 1;
  while (next <= lastIndex) {
    const entries = await from.read(next, chunkBytes);
    if (entries === null || entries.length === 0) break;
    await to.append({ ...bare, hardState: null, snapshot: null, entries });
    next += entries.length;
  }
  return next - 1;
}

async function markReady(folder: string): Promise<void> {
  const handle = await open(path.join(folder, ready), "w", 0o600);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await nodeFiles.syncDirectory(folder);
}

/** A new folder for what is put aside; the oldest ones make room. An exchange that goes on uses its own again. */
async function asideFolder(directory: string): Promise<string> {
  const numbers = (await readdir(directory))
    .filter((name) => name.startsWith(aside))
    .map((name) => Number(name.slice(aside.length)))
    .filter(Number.isSafeInteger)
    .sort((a, b) => a - b);
  const newest = numbers.at(-1) ?? 0;
  const isHalfway = numbers.length > 0 && !(await exists(path.join(directory, building, "meta.0")));
  if (isHalfway) return path.join(directory, `${aside}${newest}`);
  for (const number of numbers.slice(0, Math.max(0, numbers.length + 1 - keptAside))) {
    await rm(path.join(directory, `${aside}${number}`), { recursive: true });
  }
  const folder = path.join(directory, `${aside}${newest + 1}`);
  await mkdir(folder, { mode: 0o700 });
  return folder;
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}
