/**
 * A message as a flat row of msgpack values, and back. Rows carry everything but the bytes of entries. The
 * position of a kind in `kinds` and of a field in its row is the wire format: append only.
 */
import { type Message, type SnapshotMeta } from "../core/types.ts";
import { bodyBytes } from "../storage/entry-body.ts";
import { type Fields } from "./wire-fields.ts";

const kinds = [
  "PreVote",
  "Vote",
  "PreVoteResp",
  "VoteResp",
  "Append",
  "AppendResp",
  "Heartbeat",
  "HeartbeatResp",
  "Snapshot",
  "TimeoutNow",
  "ReadIndex",
  "ReadIndexResp",
] as const satisfies readonly Message["type"][];

const codes: ReadonlyMap<Message["type"], number> = new Map(
  kinds.map((kind, code) => [kind, code]),
);

export function rowOf(message: Message): readonly unknown[] {
  const { type, from, to, term } = message;
  return [codes.get(type), from, to, term, ...fieldsOf(message)];
}

/** The message of a row, or null when any field is missing, wrong or left over. */
export function messageOf(fields: Fields): Message | null {
  const type = kinds[fields.integer()];
  const base = { from: fields.id(), to: fields.id(), term: fields.integer() };
  if (type === undefined || !fields.ok) return null;
  const message = build(type, base, fields);
  return fields.done ? message : null;
}

function fieldsOf(m: Message): readonly unknown[] {
  switch (m.type) {
    case "PreVote":
    case "Vote":
      return [m.lastIndex, m.lastTerm, m.transfer];
    case "PreVoteResp":
    case "VoteResp":
      return [m.granted, m.requestTerm];
    case "Append": {
      const { entries } = m;
      const body = [entries.length, bodyBytes(entries)];
      return [m.prevIndex, m.prevTerm, m.commit, m.leaderLast, ...body];
    }
    case "AppendResp":
      return [m.ok, m.index, m.hintIndex, m.hintTerm];
    case "Heartbeat":
      return [m.commit, m.leaderLast, m.round];
    case "HeartbeatResp":
      return [m.round];
    case "Snapshot":
      return metaFields(m.meta);
    case "TimeoutNow":
      return [];
    case "ReadIndex":
      return [m.context];
    case "ReadIndexResp":
      return [m.context, m.index, m.ok];
  }
}

function metaFields(meta: SnapshotMeta): readonly unknown[] {
  const { id, index, term, chain, generation, sizeBytes, sha256, config: c } = meta;
  const lists = [c.sets, c.standbys, c.standbysNext, c.observers, c.lost];
  const position = [id, index, term, chain, generation];
  return [...position, sizeBytes, sha256, c.index, ...lists, c.autoLeave];
}

interface Base {
  readonly from: string;
  readonly to: string;
  readonly term: number;
}

// Members of an object literal are evaluated in the order written, which is the order of the fields.
function build(type: Message["type"], base: Base, f: Fields): Message {
  switch (type) {
    case "PreVote":
    case "Vote":
      return {
        ...{ type, ...base },
        lastIndex: f.integer(),
        lastTerm: f.integer(),
        transfer: f.boolean(),
      };
    case "PreVoteResp":
    case "VoteResp":
      return { type, ...base, granted: f.boolean(), requestTerm: f.integer() };
    case "Append":
      return buildAppend(base, f);
    case "AppendResp": {
      const [ok, index] = [f.boolean(), f.integer()];
      return { type, ...base, ok, index, hintIndex: f.integer(), hintTerm: f.integer() };
    }
    case "Heartbeat": {
      const [commit, leaderLast] = [f.integer(), f.integer()];
      return { type, ...base, commit, leaderLast, round: f.integer() };
    }
    case "HeartbeatResp":
      return { type, ...base, round: f.integer() };
    case "Snapshot":
      return { type, ...base, meta: buildMeta(f) };
    case "TimeoutNow":
      return { type, ...base };
    case "ReadIndex":
      return { type, ...base, context: f.integer() };
    case "ReadIndexResp":
      return { type, ...base, context: f.integer(), index: f.integer(), ok: f.boolean() };
  }
}

function buildAppend(base: Base, f: Fields): Message {
  const prevIndex = f.integer();
  const prevTerm = f.integer();
  const commit = f.integer();
  const leaderLast = f.integer();
  const entries = f.entriesAfter(prevIndex);
  return { type: "Append", ...base, prevIndex, prevTerm, entries, commit, leaderLast };
}

function buildMeta(f: Fields): SnapshotMeta {
  const [id, index, term] = [f.id(), f.integer(), f.integer()];
  const [chain, generation] = [f.hex128(), f.hex128()];
  const [sizeBytes, sha256] = [f.integer(), f.digest()];
  const config = {
    index: f.integer(),
    sets: f.sets(),
    standbys: f.ids(),
    standbysNext: f.ids(),
    observers: f.ids(),
    lost: f.ids(),
    autoLeave: f.boolean(),
  };
  return { id, index, term, config, chain, generation, sizeBytes, sha256 };
}
