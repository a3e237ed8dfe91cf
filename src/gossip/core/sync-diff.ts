/**
 * Anti-entropy between two views: what to ask for, and what to offer. Failed and left members that the other
 * side does not know are not mentioned, or the dead would come back with each sync until all reap them.
 */
import { type Directory } from "./directory.ts";
import { type MemberTable } from "./member-table.ts";
import { recordBytes } from "./sizes.ts";
import {
  type Accusation,
  type Digest,
  type Ix,
  type SignedRecord,
  Status,
  type StatusCode,
} from "./types.ts";

export interface ViewDifference {
  readonly wantMembers: readonly Ix[];
  readonly wantKeys: readonly string[];
  readonly offer: readonly Ix[];
  /** What we hold against members that the other side holds for up, at the same incarnation. */
  readonly accuse: readonly Ix[];
  /** What the other side holds against members that we hold for up. */
  readonly accused: readonly { readonly member: Ix; readonly incarnation: number }[];
}

export function digestOf(table: MemberTable, limit: number): Digest {
  const count = Math.min(table.knownCount, limit);
  const members = new Int32Array(count);
  const incarnations = new Uint32Array(count);
  const states = new Uint8Array(count);
  let at = 0;
  for (let ix = 0; ix < table.bound && at < count; ix += 1) {
    const status = table.status(ix);
    if (status === Status.none) continue;
    members[at] = ix;
    incarnations[at] = table.incarnation(ix);
    states[at] = status;
    at += 1;
  }
  return { members, incarnations, states, unknown: [] };
}

/** Compares the other side's digest with our table. Evicted members are not asked for. */
export function compareViews(
  table: MemberTable,
  digest: Digest,
  isEvicted: (ix: Ix) => boolean,
): ViewDifference {
  const wantMembers: Ix[] = [];
  const offer: Ix[] = [];
  const accuse: Ix[] = [];
  const accused: { member: Ix; incarnation: number }[] = [];
  const listed = new Uint8Array(table.bound);
  for (let at = 0; at < digest.members.length; at += 1) {
    const member = digest.members[at] ?? -1;
    const incarnation = digest.incarnations[at] ?? 0;
    const theirs = (digest.states[at] ?? Status.none) as StatusCode;
    listed[member] = 1;
    const ours = table.status(member);
    if (ours === Status.none) {
      if (isUp(theirs) && !isEvicted(member)) wantMembers.push(member);
    } else if (incarnation > table.incarnation(member)) wantMembers.push(member);
    else if (incarnation < table.incarnation(member)) offer.push(member);
    else if (theirs === Status.failed && isUp(ours)) accused.push({ member, incarnation });
    else if (ours === Status.failed && isUp(theirs)) accuse.push(member);
  }
  for (let ix = 0; ix < table.bound; ix += 1) {
    if (listed[ix] !== 1 && table.isUp(ix)) offer.push(ix);
  }
  return { wantMembers, wantKeys: digest.unknown, offer, accuse, accused };
}

export function isEmptyDifference(difference: ViewDifference): boolean {
  const { wantMembers, wantKeys, offer, accuse, accused } = difference;
  const lists = [wantMembers, wantKeys, offer, accuse, accused];
  return lists.every((list) => list.length === 0);
}

/** Records of `members`, and the accusations against those that failed, up to `bytesMax`. */
export function recordsOf(
  table: MemberTable,
  members: Iterable<Ix>,
  options: { readonly from: Ix; readonly bytesMax: number },
): { records: SignedRecord[]; accusations: Accusation[] } {
  const records: SignedRecord[] = [];
  const accusations: Accusation[] = [];
  let room = options.bytesMax;
  for (const member of members) {
    const record = table.record(member);
    if (record === null) continue;
    room -= recordBytes(record);
    if (room < 0) break;
    records.push(record);
    if (table.status(member) === Status.failed) {
      accusations.push(failedAccusation(table, member, options.from));
    }
  }
  return { records, accusations };
}

export function failedAccusation(table: MemberTable, member: Ix, from: Ix): Accusation {
  const incarnation = table.incarnation(member);
  return { kind: "failed", member, incarnation, from, refused: false };
}

/** Indices that the other side asks for and that this directory knows. */
export function wanted(
  directory: Directory,
  request: { readonly wantMembers: readonly Ix[]; readonly wantKeys: readonly string[] },
): readonly Ix[] {
  const byKey = request.wantKeys.map((key) => directory.findKey(key)).filter((ix) => ix >= 0);
  return [...request.wantMembers, ...byKey];
}

function isUp(status: StatusCode): boolean {
  return status === Status.alive || status === Status.suspect;
}
