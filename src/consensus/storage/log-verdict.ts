/**
 * Judges a log at open: does it hold everything this agent may have acknowledged? Only what was never
 * acknowledged may be missing. A damaged entry is not an absent one: an agent that "forgets" it could elect a
 * leader without it, so everything else that is odd is `corrupt`, and never continued silently.
 */
import { type Index } from "../core/types.ts";
import { type LogHealth } from "../driver/ports.ts";
import { type Chain } from "./frame.ts";
import { currentGeneration } from "../lineage/generation.ts";
import { type LineageRecord, type LogBase, type LogHead } from "./log-records.ts";
import { type Watermark } from "./meta-file.ts";

export interface LogFindings {
  readonly head: LogHead | null;
  readonly base: LogBase | null;
  readonly lineage: LineageRecord | null;
  readonly watermark: Watermark | null;
  /** The end of the valid run of frames, and why it ends there when that is not the end of all frames. */
  readonly last: Index;
  readonly chain: Chain;
  readonly fault: string | null;
  /** This agent has had a log, which something beside the log knows. */
  readonly hadLog: boolean;
}

export interface Verdict {
  readonly health: LogHealth | "fresh";
  readonly detail: string;
}

export function judge(found: LogFindings): Verdict {
  const { head, base, lineage, watermark } = found;
  if (found.fault !== null) return corrupt(found.fault);
  if (head === null && found.last === 0) {
    const confirmed = watermark?.confirmed ?? 0;
    if (confirmed === 0) {
      return found.hadLog
        ? corrupt("it is gone, with its watermark")
        : { health: "fresh", detail: "" };
    }
    return corrupt(`the log is empty, but ${confirmed} writes were acknowledged`);
  }
  if (head === null) return corrupt("the head record is missing or damaged");
  if (base === null) return corrupt("the base record is missing or damaged");
  if (lineage === null) return corrupt("the lineage record is missing or damaged");
  if (lineage.op !== head.lineageOp) {
    return corrupt(`the lineage is of write ${lineage.op}, not of write ${head.lineageOp}`);
  }
  if (head.last !== found.last || head.chain !== found.chain) {
    return corrupt(`the log ends at entry ${found.last}, but the last write ended at ${head.last}`);
  }
  return compare(head, lineage, watermark);
}

function compare(head: LogHead, lineage: LineageRecord, watermark: Watermark | null): Verdict {
  const begun = watermark?.op ?? 0;
  if (watermark !== null && head.op < watermark.confirmed) {
    const missing = watermark.confirmed - head.op;
    return corrupt(`the last ${missing} acknowledged writes are missing (to ${watermark.last})`);
  }
  if (head.op > begun + 1) {
    return corrupt(`the watermark is of write ${begun}, but the log of write ${head.op}`);
  }
  if (watermark === null || head.op > begun) return { health: "ok", detail: "" };
  if (head.op < begun) {
    const detail = `write ${begun} (to entry ${watermark.last}) was begun but not completed`;
    return { health: "torn-tail", detail };
  }
  const { id, n } = currentGeneration(lineage.lineage);
  if (id !== watermark.generation.id) {
    const other = watermark.generation.n;
    return corrupt(`the watermark is of generation ${other}, but the log of generation ${n}`);
  }
  const same = head.chain === watermark.chain && head.last === watermark.last;
  const { term, vote } = head.hardState;
  if (!same || term !== watermark.term || vote !== watermark.vote) {
    return corrupt(`the watermark of write ${begun} describes another log`);
  }
  return { health: "ok", detail: "" };
}

function corrupt(detail: string): Verdict {
  return { health: "corrupt", detail };
}
