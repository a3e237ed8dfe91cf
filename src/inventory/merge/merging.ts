/**
 * One merge under way: what came from the other side, what is known of earlier merges of the same generation, and
 * the one question that all classes of records share: who changed this since the fork?
 *
 * No common base is needed: a record that this side has not written since the fork still is what both had. What an
 * earlier merge of the same generation wrote counts as not written by this side, so that a longer export of the same
 * history goes on where the shorter one ended.
 */
import { createHash } from "node:crypto";
import { type PeerId } from "../../base/ids.ts";
import { type Json, canonicalJson } from "../../base/json.ts";
import { type GenerationRef } from "../../consensus/lineage/types.ts";
import { type Draft } from "../draft.ts";
import { type MergeRecord } from "../lineage-records.ts";
import { type Conflict, putConflict } from "./journal.ts";
import { type OtherSide } from "./other-side.ts";

/**
 * `same`: nothing to do. `known`: was merged before. `older`: something newer of that key was merged before.
 * `take`: only they changed it. `both`: the class decides.
 */
export type Verdict = "same" | "known" | "older" | "take" | "both";

/** A record of one side without its version; null: it does not exist. */
export interface Held {
  readonly value: Json;
  /** 0 when it never existed. */
  readonly version: number;
}

type Counts = { -readonly [K in keyof MergeRecord["counts"]]: number };

export class Merging {
  readonly draft: Draft;
  readonly generation: GenerationRef;
  readonly other: OtherSide;
  readonly counts: Counts;
  /** By key on the other side. */
  readonly keys: Map<string, readonly [version: number, digest: string]>;
  /** Name of each of their nodes here; null when it may not be here (evicted). */
  readonly names = new Map<string, string | null>();
  readonly #members: ReadonlySet<string>;
  readonly #mergedAt: ReadonlySet<number>;

  constructor(
    draft: Draft,
    from: {
      readonly generation: GenerationRef;
      readonly other: OtherSide;
      readonly members: readonly PeerId[];
      readonly before: Pick<MergeRecord, "counts" | "keys" | "mergedAt">;
    },
  ) {
    this.draft = draft;
    this.generation = from.generation;
    this.other = from.other;
    this.counts = { ...from.before.counts };
    this.keys = new Map(Object.entries(from.before.keys));
    this.#mergedAt = new Set(from.before.mergedAt);
    const arrived = [...from.other.records.member.values()].filter(
      ({ id, status }) => status === "admitted" && draft.view.member(id) === null,
    );
    this.#members = new Set([...from.members, ...arrived.map(({ id }) => id)]);
  }

  /** Was the machine on their side? Only that side could know and change what is on it. */
  isTheirs(id: PeerId): boolean {
    return this.#members.has(id);
  }

  /** On our side: not on theirs, and seen alive here. A machine may be on neither. */
  isOurs(id: PeerId): boolean {
    return !this.isTheirs(id) && this.draft.view.nodeById(id)?.reachability === "reachable";
  }

  /** True when this side has written the record since the fork. */
  wroteHere(version: number): boolean {
    return version > this.other.fork && !this.#mergedAt.has(version);
  }

  /**
   * True of what an earlier merge wrote otherwise than the other side had it: it holds what this side did, too. To be
   * asked before `judge`, which notes what they have now.
   */
  isMixed(key: string, ours: Held): boolean {
    return this.#mergedAt.has(ours.version) && this.keys.get(key)?.[1] !== digestOf(ours.value);
  }

  judge(key: string, theirs: Held, ours: Held): Verdict {
    const digest = digestOf(theirs.value);
    const known = this.keys.get(key);
    if (known?.[1] === digest) return "known";
    if (known !== undefined && theirs.version < known[0]) return "older";
    this.keys.set(key, [theirs.version, digest]);
    if (digest === digestOf(ours.value)) return "same";
    if (!this.wroteHere(ours.version)) return "take";
    return canonicalJson(theirs.value) === canonicalJson(ours.value) ? "same" : "both";
  }

  journal(conflict: Conflict): void {
    putConflict(this.draft, this.generation.id, conflict);
    if (conflict.resolution === "pending") this.counts.pending += 1;
    else if (conflict.resolution === "applied") this.counts.applied += 1;
    else this.counts.superseded += 1;
  }

  /** An older value of a key that was merged already: kept for the record, unless the key has an entry. */
  journalOlder(conflict: Omit<Conflict, "rule" | "resolution">): void {
    const id = `${this.generation.id}/${conflict.key}`;
    if (this.draft.view.get("journal", id) !== null) return;
    this.journal({ ...conflict, rule: "older-export", resolution: "superseded" });
  }

  /** Name here of what they call `name`: nodes that are gone there keep theirs. */
  nameOf(name: string): string | null {
    const mapped = this.names.get(name);
    return mapped === undefined ? name : mapped;
  }
}

/** A record without its version, as digests and the journal have it. */
export function bare(record: { readonly version: number } | null): Json {
  if (record === null) return null;
  const { version: _version, ...rest } = record;
  return rest;
}

/**
 * Short: it tells two values of one key apart, and nobody gains by a collision of his own values. Fields in another
 * order are another value: that is rare, and every agent has them in the same order, as the bytes had.
 */
function digestOf(value: Json): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 24);
}
