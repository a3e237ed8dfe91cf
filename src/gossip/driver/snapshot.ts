/**
 * What an agent must remember to rejoin without seeds: its own clocks, and where it met others. Failed
 * members are kept as well, or a cluster that went down together would never find itself again.
 */
import { asPeerId, type PeerId } from "../../base/ids.ts";
import { ltimeMax } from "../core/user-events.ts";
import { type MemberView } from "../ports.ts";
import { isJsonObject, type Json } from "../../base/json.ts";

export interface SnapshotMember {
  readonly id: PeerId;
  readonly address: string;
}

export interface Snapshot {
  readonly incarnation: number;
  readonly bootId: string;
  /** Lamport time of the newest user event: older ones are not delivered again. */
  readonly eventClock: number;
  readonly members: readonly SnapshotMember[];
}

export const snapshotMembersMax = 64;
const format = 1;
/** 2026-01-01T00:00:00Z */
const incarnationEpochMs = 1_767_225_600_000;

export function snapshotText(snapshot: Snapshot): string {
  return `${JSON.stringify({ format, ...snapshot }, null, 2)}\n`;
}

/** Null when the text is no snapshot; single members that make no sense are left out. */
export function parseSnapshot(text: string): Snapshot | null {
  const value = parseJson(text);
  if (!isJsonObject(value) || value["format"] !== format) return null;
  const { incarnation, bootId, members, eventClock } = value;
  if (!isIncarnation(incarnation)) return null;
  if (typeof bootId !== "string" || !Array.isArray(members)) return null;
  return {
    incarnation,
    bootId,
    eventClock: isClock(eventClock) ? eventClock : 0,
    members: members.flatMap(parseMember).slice(0, snapshotMembersMax),
  };
}

/**
 * First incarnation of a new life: above the last known one, and, as the snapshot may be lost or old, above
 * what any earlier life reached by one statement per second since 2026.
 */
export function firstIncarnation(snapshot: Snapshot | null, wallMs: number): number {
  const sinceEpoch = Math.floor((wallMs - incarnationEpochMs) / 1000);
  return Math.max(1, sinceEpoch, snapshot === null ? 0 : snapshot.incarnation + 1);
}

/** Chooses what to remember: neighbours, then other members that are up, then those that failed last. */
export function snapshotOf(
  others: readonly MemberView[],
  self: Omit<Snapshot, "members"> & { readonly near: ReadonlySet<PeerId> },
): Snapshot {
  const rank = (member: MemberView): number => {
    if (member.status === "failed") return 2;
    return self.near.has(member.id) ? 0 : 1;
  };
  const members = others
    .filter((member) => member.status !== "left")
    .sort((a, b) => rank(a) - rank(b) || b.since - a.since)
    .slice(0, snapshotMembersMax)
    .map(({ id, address }) => ({ id, address }));
  const { incarnation, bootId, eventClock } = self;
  return { incarnation, bootId, eventClock, members };
}

/** 32 bits, with room for what this life will say. */
function isIncarnation(value: Json | undefined): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 32 - 2 ** 20;
}

/** A snapshot of an older version has none; a clock beyond its 48 bits is damage. */
function isClock(value: Json | undefined): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= ltimeMax;
}

function parseMember(value: Json): SnapshotMember[] {
  if (!isJsonObject(value)) return [];
  const { id, address } = value;
  return typeof id === "string" && typeof address === "string"
    ? [{ id: asPeerId(id), address }]
    : [];
}

function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    // Not JSON: the caller treats it like any other text that is no snapshot.
    return undefined;
  }
}
