/**
 * Lineage as plain values (what msgpack or JSON gives back), checked strictly: a generation that is a little wrong
 * must never decide anything. For the own disk and for what peers say.
 */
import { type Index, type LogPosition, type NodeId } from "../core/types.ts";
import { generationIdDigits, maxGenerations } from "./generation.ts";
import { type Ballot, type Generation, type Lineage, type LineagePromise } from "./types.ts";

type Name =
  | keyof Generation
  | keyof Lineage
  | keyof LineagePromise
  | keyof Ballot
  | keyof LogPosition
  | "child";
type Row = { readonly [name in Name]?: unknown };

const maxIdLength = 128;
const maxMembers = 10_000;
const kinds: readonly string[] = ["bootstrap", "forced-proof", "forced-operator", "forced-auto"];

export function parseLineage(value: unknown): Lineage | null {
  if (!isRow(value)) return null;
  const generations = parseGenerations(value.generations);
  const promise = value.promise === null ? null : parsePromise(value.promise);
  if (generations === null || (value.promise !== null && promise === null)) return null;
  const voteFrom = value.voteFrom === null ? null : parsePosition(value.voteFrom);
  if (value.voteFrom !== null && voteFrom === null) return null;
  const { left } = value;
  if (left === undefined) return { generations, promise, voteFrom };
  return isGenerationIds(left) ? { generations, promise, voteFrom, left } : null;
}

/** A path: it begins with a bootstrap and every generation is deeper than the one before. */
export function parseGenerations(value: unknown): readonly Generation[] | null {
  if (!Array.isArray(value) || value.length === 0 || value.length > maxGenerations) return null;
  const path = value.map(parseGeneration).filter((one) => one !== null);
  if (path.length !== value.length || path[0]?.kind !== "bootstrap") return null;
  const deepens = path.every(({ n }, i) => i === 0 || n > (path[i - 1]?.n ?? 0));
  return deepens ? path : null;
}

export function parseGeneration(value: unknown): Generation | null {
  if (!isRow(value) || !isGenerationId(value.id) || !isCount(value.n) || value.n < 1) return null;
  const { parent, kind, forkChain, members, lost, coordinator, outlived, missingAtMost } = value;
  if (parent !== null && !isGenerationId(parent)) return null;
  if (typeof kind !== "string" || !kinds.includes(kind)) return null;
  if ((kind === "bootstrap") !== (parent === null)) return null;
  const { forkIndex, forkTerm, legitCommit, at } = value;
  if (!isCount(forkIndex) || !isCount(forkTerm) || !isCount(legitCommit) || !isCount(at)) {
    return null;
  }
  if (legitCommit > forkIndex || !isChain(forkChain)) return null;
  if (!isIds(members) || !isIds(lost) || typeof coordinator !== "string") return null;
  if (coordinator.length > maxIdLength || typeof outlived !== "boolean") return null;
  if (missingAtMost !== null && !isCount(missingAtMost)) return null;
  const { id, n, abstaining } = value;
  if (abstaining !== undefined && !isIds(abstaining)) return null;
  const fork = { forkIndex, forkTerm, forkChain, legitCommit };
  const who = { members, coordinator, ...(abstaining === undefined ? {} : { abstaining }) };
  const rest = { lost, outlived, missingAtMost, at };
  return { n, id, parent, kind: kind as Generation["kind"], ...fork, ...who, ...rest };
}

export function parsePromise(value: unknown): LineagePromise | null {
  if (!isRow(value) || !isGenerationId(value.parent)) return null;
  const ballot = parseBallot(value.ballot);
  if (ballot === null) return null;
  const { parent, accepted } = value;
  if (accepted === null) return { parent, ballot, accepted };
  if (!isRow(accepted)) return null;
  const under = parseBallot(accepted.ballot);
  const child = parseGeneration(accepted.child);
  if (under === null || child?.parent !== parent) return null;
  return { parent, ballot, accepted: { ballot: under, child } };
}

export function parseBallot(value: unknown): Ballot | null {
  if (!isRow(value) || !isCount(value.counter) || value.counter < 1) return null;
  const { counter, node } = value;
  return isId(node) ? { counter, node } : null;
}

function parsePosition(value: unknown): LogPosition | null {
  if (!isRow(value) || !isCount(value.term) || !isCount(value.index)) return null;
  return { term: value.term, index: value.index };
}

function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is Index {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isId(value: unknown): value is NodeId {
  return typeof value === "string" && value.length > 0 && value.length <= maxIdLength;
}

function isIds(value: unknown): value is readonly NodeId[] {
  return Array.isArray(value) && value.length <= maxMembers && value.every(isId);
}

function isGenerationIds(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= maxGenerations && value.every(isGenerationId);
}

export function isGenerationId(value: unknown): value is string {
  return typeof value === "string" && value.length === generationIdDigits && isHex(value);
}

/** "" at bootstrap, where nothing was kept; else 32 hexadecimal digits. */
function isChain(value: unknown): value is string {
  return typeof value === "string" && (value === "" || (value.length === 32 && isHex(value)));
}

function isHex(value: string): boolean {
  return /^[0-9a-f]+$/.test(value);
}
