/** The leader appends: client proposals within their limits, its noop, and configurations. */
import { assert } from "../../base/assert.ts";
import { type LeaderRole } from "./roles.ts";
import { type CoreState } from "./state.ts";
import {
  EntryType,
  type Entry,
  type Index,
  type ProposeRefusal,
  type ProposeResult,
} from "./types.ts";

export function refuse(state: CoreState, reason: ProposeRefusal, detail: string): ProposeResult {
  assert(detail.length > 0, "a refusal says why");
  return { ok: false, reason, leader: state.leader, detail };
}

/** All of `data` is appended, or nothing. */
export function propose(
  state: CoreState,
  data: readonly Uint8Array[],
  type: EntryType,
): ProposeResult {
  if (state.role.name !== "leader") {
    const leader = state.leader === null ? "unknown" : `"${state.leader}"`;
    return refuse(
      state,
      "not-leader",
      `this node is a ${state.role.name}, the leader is ${leader}`,
    );
  }
  if (state.role.transferee !== null) {
    return refuse(state, "transferring", `leadership goes to "${state.role.transferee}"`);
  }
  if (type === EntryType.config || type === EntryType.forceConfig) {
    return refuse(state, "config-rule", "configurations change through proposeConfig");
  }
  const fault = checkSizes(state, state.role, data);
  if (fault !== null) return fault;
  assert(state.leader === state.self, "a leader leads");
  const first = state.log.last + 1;
  const entries = data.map((bytes, i) => newEntry(state, { index: first + i, type, data: bytes }));
  state.role.uncommittedBytes += data.reduce((sum, bytes) => sum + bytes.length, 0);
  appendToLog(state, state.role, entries);
  assert(state.log.last === first + data.length - 1, "all of it was appended");
  return { ok: true, first, last: state.log.last, term: state.term };
}

function checkSizes(
  state: CoreState,
  leader: LeaderRole,
  data: readonly Uint8Array[],
): ProposeResult | null {
  const { maxEntryBytes, maxUncommittedBytes } = state.options;
  assert(leader.uncommittedBytes >= 0, "uncommitted bytes are not negative");
  const largest = data.reduce((most, bytes) => Math.max(most, bytes.length), 0);
  if (data.length === 0) return refuse(state, "too-large", "a proposal has at least one entry");
  if (largest > maxEntryBytes) {
    return refuse(state, "too-large", `${largest} bytes in one entry, limit ${maxEntryBytes}`);
  }
  const total = data.reduce((sum, bytes) => sum + bytes.length, 0);
  // A first proposal always fits, or one larger than the limit could never be made.
  if (leader.uncommittedBytes > 0 && leader.uncommittedBytes + total > maxUncommittedBytes) {
    const detail = `${leader.uncommittedBytes} bytes wait for a quorum, limit ${maxUncommittedBytes}`;
    return refuse(state, "busy", detail);
  }
  return null;
}

export function newEntry(
  state: CoreState,
  {
    index,
    type,
    data,
  }: { readonly index: Index; readonly type: EntryType; readonly data: Uint8Array },
): Entry {
  assert(index > state.log.last, "a new entry comes after the last");
  return { index, term: state.term, type, data };
}

/** A leader only ever appends to its own log (§5.3). Followers get it with the next Ready. */
export function appendToLog(state: CoreState, leader: LeaderRole, entries: readonly Entry[]): void {
  assert(state.role === leader, "only the leader appends on its own");
  assert(entries.length > 0, "something is appended");
  state.log.append(entries);
  state.leaderLast = state.log.last;
  leader.fanOut = true;
}
