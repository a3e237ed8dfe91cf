/**
 * Opens the parts of a log on disk, reads everything back, and judges it. A damaged log is opened too, to be read
 * up to its first fault, but never to be written.
 */
import path from "node:path";
import { must } from "../../base/assert.ts";
import { errorMessage } from "../../base/errors.ts";
import { emptyConfiguration } from "../core/configuration.ts";
import { type Entry, type HardState } from "../core/types.ts";
import { type LogGenesis } from "../driver/ports.ts";
import { currentGeneration } from "../lineage/generation.ts";
import { type Lineage } from "../lineage/types.ts";
import { ConsensusError } from "../errors.ts";
import { type Files } from "./files.ts";
import { type LogDatabase, type OpenDatabase } from "./log-database.ts";
import { LogIndex } from "./log-index.ts";
import {
  baseKey,
  decodeBase,
  decodeHead,
  decodeLineage,
  encodeBase,
  encodeLineage,
  headKey,
  type LineageRecord,
  lineageKey,
  type LogBase,
  type LogHead,
} from "./log-records.ts";
import { scanFrames } from "./log-scan.ts";
import { judge, type Verdict } from "./log-verdict.ts";
import { MetaFiles, type Watermark } from "./meta-file.ts";
import { baseOfConfiguration } from "./write-plan.ts";

export interface OpenedLog {
  /** Null when LevelDB could not open its files. */
  readonly db: LogDatabase | null;
  readonly meta: MetaFiles;
  readonly index: LogIndex;
  readonly tail: readonly Entry[];
  readonly hardState: HardState;
  readonly lineage: Lineage;
  /** Number of the write that left the lineage as it is. */
  readonly lineageOp: number;
  /** Number of the last write that was begun, and of the last that is known to be complete. */
  readonly op: number;
  readonly complete: number;
  /** Number of the last write that the watermark knows. */
  readonly begun: number;
  readonly verdict: Verdict;
}

interface Paths {
  readonly directory: string;
  readonly writeBufferBytes: number;
  readonly maxTailBytes: number;
}

/** What the log is kept on. */
export interface LogStorage {
  readonly files: Files;
  readonly openDatabase: OpenDatabase;
}

const noHardState: HardState = { term: 0, vote: null, commit: 0 };

export async function openLog(
  storage: LogStorage,
  options: Paths,
  genesis: LogGenesis,
): Promise<OpenedLog> {
  const { files: meta, newest } = await openMeta(storage.files, options.directory);
  try {
    const folder = path.join(options.directory, "log");
    const opened = await storage.openDatabase(folder, options.writeBufferBytes);
    const origin = originOf(genesis);
    if ("fault" in opened) {
      const verdict: Verdict = { health: "corrupt", detail: `LevelDB: ${opened.fault}` };
      const lineage = { op: 0, lineage: presumed(origin.lineage, newest) };
      const nothing = { base: origin.base, head: null, lineage };
      return assemble({ db: null, meta, watermark: newest, ...nothing, verdict });
    }
    return await closeOnFailure(opened.db, async (db) => {
      // LevelDB syncs what is in its folder, not the folder's own name.
      await storage.files.syncDirectory(options.directory);
      const hadLog = genesis.hadLog === true;
      return inspect({ ...options, db, meta, watermark: newest, origin, hadLog });
    });
  } catch (error) {
    await meta.close();
    throw error;
  }
}

async function closeOnFailure<T>(
  db: LogDatabase,
  use: (db: LogDatabase) => Promise<T>,
): Promise<T> {
  try {
    return await use(db);
  } catch (cause) {
    await db.close();
    const message = `Cannot begin a new log in "${db.location}": ${errorMessage(cause)}.`;
    throw new ConsensusError("LOG_OPEN_FAILED", message, {}, { cause });
  }
}

async function openMeta(files: Files, directory: string): ReturnType<typeof MetaFiles.open> {
  try {
    return await MetaFiles.open(directory, files);
  } catch (cause) {
    const message = `Cannot open the watermark files in "${directory}": ${errorMessage(cause)}. Check rights and free space.`;
    throw new ConsensusError("LOG_OPEN_FAILED", message, { directory }, { cause });
  }
}

interface Inspection extends Paths {
  readonly db: LogDatabase;
  readonly meta: MetaFiles;
  readonly watermark: Watermark | null;
  readonly origin: Origin;
  readonly hadLog: boolean;
}

/** The records of a log that has none. */
interface Origin {
  readonly base: LogBase;
  readonly lineage: LineageRecord;
}

async function inspect(given: Inspection): Promise<OpenedLog> {
  const { db, meta, watermark, origin, hadLog } = given;
  const base = await readRecord(db, baseKey, decodeBase);
  const head = await readRecord(db, headKey, decodeHead);
  const lineage = await readRecord(db, lineageKey, decodeLineage);
  const scan = await scanFrames(db, base.value ?? origin.base, given.maxTailBytes);
  const fault = base.fault ?? head.fault ?? lineage.fault ?? scan.fault;
  const { last, chain } = scan.index;
  const records = { head: head.value, base: base.value, lineage: lineage.value };
  const verdict = judge({ ...records, watermark, last, chain, fault, hadLog });
  if (verdict.health === "fresh") {
    const begin = [
      { type: "put", key: baseKey, value: encodeBase(origin.base) },
      { type: "put", key: lineageKey, value: encodeLineage(origin.lineage) },
    ] as const;
    await db.batch([...begin], { sync: true });
  }
  const found = lineage.value ?? origin.lineage;
  const known =
    verdict.health === "corrupt" ? { ...found, lineage: presumed(found, watermark) } : found;
  const parts = { db, meta, watermark, verdict, head: head.value, lineage: known };
  const opened = assemble({ ...parts, base: base.value ?? origin.base });
  return { ...opened, index: scan.index, tail: scan.tail };
}

/**
 * What a damaged log says of the lineage, when a later write of it is lost: that may have been a promise, and an agent
 * that forgot one would act where others go on without it. So it is taken to have promised; it comes back like any
 * member whose ballot was overtaken, or by the next ballot.
 */
function presumed({ op, lineage }: LineageRecord, watermark: Watermark | null): Lineage {
  const parent = currentGeneration(lineage).id;
  if (op === (watermark?.lineageOp ?? op) || lineage.promise?.parent === parent) return lineage;
  const promise = { parent, ballot: { counter: 1, node: "damaged" }, accepted: null };
  return { ...lineage, promise };
}

/** A record that is absent is null; one that is damaged is a fault. */
async function readRecord<T>(
  db: LogDatabase,
  key: Buffer,
  decode: (record: Buffer) => T | null,
): Promise<{ readonly value: T | null; readonly fault: string | null }> {
  try {
    const record = await db.get(key);
    if (record === undefined) return { value: null, fault: null };
    const value = decode(record);
    return { value, fault: value === null ? `the ${key.toString()} record is damaged` : null };
  } catch (error) {
    const fault = `the ${key.toString()} record cannot be read: ${errorMessage(error)}`;
    return { value: null, fault };
  }
}

interface Parts {
  readonly db: LogDatabase | null;
  readonly meta: MetaFiles;
  readonly base: LogBase;
  readonly watermark: Watermark | null;
  readonly head: LogHead | null;
  readonly lineage: LineageRecord;
  readonly verdict: Verdict;
}

function assemble({ db, meta, base, watermark, head, lineage, verdict }: Parts): OpenedLog {
  const op = Math.max(head?.op ?? 0, watermark?.op ?? 0);
  const hardState = newerPromise(head?.hardState ?? noHardState, watermark);
  const numbers = { op, complete: head?.op ?? 0, begun: watermark?.op ?? 0 };
  const where = { lineage: lineage.lineage, lineageOp: lineage.op };
  const index = new LogIndex(base);
  return { db, meta, index, tail: [], hardState, ...where, ...numbers, verdict };
}

/** A vote that was begun to be written may have been told to nobody, but keeping it is always safe. */
function newerPromise(hard: HardState, watermark: Watermark | null): HardState {
  if (watermark === null || watermark.term < hard.term) return hard;
  const vote = watermark.term > hard.term ? watermark.vote : (hard.vote ?? watermark.vote);
  return { ...hard, term: watermark.term, vote };
}

function originOf({ bootstrap, lineage }: LogGenesis): Origin {
  const base = baseOfConfiguration(bootstrap ?? emptyConfiguration);
  return { base, lineage: { op: 0, lineage } };
}

/** The database of a log that may be written. */
export function writableDatabase(opened: OpenedLog | null): LogDatabase {
  return must(opened?.db, "the log is open for writing");
}
