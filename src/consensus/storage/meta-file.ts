/**
 * The watermark: what this agent was about to acknowledge, kept outside the database, because LevelDB drops a
 * damaged part of its log without an error. Two files are written in turn, so that one is always whole. A write
 * goes on in parallel with the database's, hence two numbers: `op` was begun, `confirmed` was acknowledged.
 */
import path from "node:path";
import { assert, must } from "../../base/assert.ts";
import { errorCode } from "../../base/errors.ts";
import { type Index, type NodeId, type Term } from "../core/types.ts";
import { isGenerationId } from "../lineage/lineage-codec.ts";
import { type GenerationRef } from "../lineage/types.ts";
import { type Files, nodeFiles, type OpenFile } from "./files.ts";
import { type Chain } from "./frame.ts";
import { isCount, isVote } from "./log-records.ts";
import { seal, unseal } from "./sealed.ts";

export interface Watermark {
  readonly op: number;
  readonly confirmed: number;
  readonly term: Term;
  readonly vote: NodeId | null;
  readonly last: Index;
  readonly lastTerm: Term;
  readonly chain: Chain;
  readonly generation: GenerationRef;
  /** The write that left the lineage as it is: an older record of it may lack a promise. */
  readonly lineageOp: number;
  /** Voters in force; a supervisor reads them, and where the log ends, from here after a crash. */
  readonly voters: readonly NodeId[];
}

const slotBytes = 4096;
const version = 2;
const lengthBytes = 4;
const names = ["meta.0", "meta.1"] as const;

export class MetaFiles {
  readonly #slots: readonly OpenFile[];
  #stamp: number;

  private constructor(slots: readonly OpenFile[], stamp: number) {
    this.#slots = slots;
    this.#stamp = stamp;
  }

  /** Opens (or creates) the files in `directory` and reads the newest valid watermark. */
  static async open(
    directory: string,
    files: Files,
  ): Promise<{ readonly files: MetaFiles; readonly newest: Watermark | null }> {
    await files.makeDirectory(directory);
    await files.syncDirectory(path.dirname(directory));
    const slots: OpenFile[] = [];
    let newest: { stamp: number; watermark: Watermark } | null = null;
    try {
      for (const name of names) {
        const slot = await openSlot(files, path.join(directory, name));
        slots.push(slot);
        // What an earlier process wrote when it was killed may be in memory only: believed now, it must not be lost.
        await slot.datasync();
        const found = await readSlot(slot);
        if (found !== null && found.stamp > (newest?.stamp ?? -1)) newest = found;
      }
      await files.syncDirectory(directory);
    } catch (error) {
      await Promise.all(slots.map((slot) => slot.close()));
      throw error;
    }
    const opened = new MetaFiles(slots, newest?.stamp ?? 0);
    return { files: opened, newest: newest?.watermark ?? null };
  }

  /** Resolves when the watermark is on disk. Never called twice at a time. */
  async write(watermark: Watermark): Promise<void> {
    this.#stamp += 1;
    const slot = must(this.#slots[this.#stamp % names.length], "there are two slots");
    const block = Buffer.alloc(slotBytes);
    const record = encode(this.#stamp, watermark);
    assert(record.byteLength + lengthBytes <= slotBytes, "a watermark fits its slot");
    block.writeUInt32BE(record.byteLength, 0);
    block.set(record, lengthBytes);
    await slot.write(block, 0, slotBytes, 0); // durable: the slot was opened so
  }

  async close(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.close()));
  }
}

/** The newest valid watermark, for whoever must not open the log: null when there is none. Never writes. */
export async function readWatermark(
  directory: string,
  files: Files = nodeFiles,
): Promise<Watermark | null> {
  let newest: ReturnType<typeof decode> = null;
  for (const name of names) {
    const slot = await files.open(path.join(directory, name), "r").catch(() => null);
    if (slot === null) continue;
    try {
      const found = await readSlot(slot);
      if (found !== null && found.stamp > (newest?.stamp ?? -1)) newest = found;
    } finally {
      await slot.close();
    }
  }
  return newest?.watermark ?? null;
}

function encode(stamp: number, w: Watermark): Buffer {
  const position = [w.last, w.lastTerm, w.chain, w.generation.n, w.generation.id];
  return seal([
    version,
    stamp,
    w.op,
    w.confirmed,
    w.term,
    w.vote,
    ...position,
    w.voters,
    w.lineageOp,
  ]);
}

function decode(record: Buffer): { readonly stamp: number; readonly watermark: Watermark } | null {
  const row = unseal(record);
  if (!Array.isArray(row)) return null;
  const [v, stamp, op, confirmed, term, vote, ...rest] = row as readonly unknown[];
  const [last, lastTerm, chain, n, id, voters, lineageOp = 0] = rest;
  if (v !== version || !isCount(stamp) || !isCount(op) || !isCount(confirmed)) return null;
  if (!isCount(term) || !isVote(vote) || !isCount(last) || !isCount(lastTerm)) return null;
  if (typeof chain !== "string" || !isIds(voters)) return null;
  if (!isCount(n) || !isGenerationId(id) || !isCount(lineageOp)) return null;
  const position = { last, lastTerm, chain, generation: { n, id }, lineageOp, voters };
  return { stamp, watermark: { op, confirmed, term, vote, ...position } };
}

function isIds(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((id) => typeof id === "string");
}

async function readSlot(slot: OpenFile): Promise<ReturnType<typeof decode>> {
  const block = Buffer.alloc(slotBytes);
  const { bytesRead } = await slot.read(block, 0, slotBytes, 0);
  if (bytesRead < slotBytes) return null;
  const length = block.readUInt32BE(0);
  if (length > slotBytes - lengthBytes) return null;
  return decode(block.subarray(lengthBytes, lengthBytes + length));
}

/** Opens a slot, allocating its block now, so that later writes change no file size. */
async function openSlot(files: Files, file: string): Promise<OpenFile> {
  try {
    return await files.open(file, "ds+");
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  const created = await files.open(file, "wx+");
  try {
    await created.write(Buffer.alloc(slotBytes), 0, slotBytes, 0);
    await created.sync();
  } finally {
    await created.close();
  }
  return files.open(file, "ds+");
}
