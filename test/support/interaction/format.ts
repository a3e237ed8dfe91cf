/**
 * Our core's messages and writes in the words of the published transcripts. Mere form: heartbeat rounds and
 * `leaderLast` are not shown, a noop is an entry without data, and nobody is node 0.
 */
import {
  EntryType,
  type Configuration,
  type Entry,
  type HardState,
  type Message,
  type NodeId,
  type Role,
  type SnapshotMeta,
} from "../../../src/consensus/core/types.ts";

export const roleNames = {
  follower: "StateFollower",
  precandidate: "StatePreCandidate",
  candidate: "StateCandidate",
  leader: "StateLeader",
} as const satisfies Record<Role, string>;

const messageNames = {
  PreVote: "MsgPreVote",
  Vote: "MsgVote",
  PreVoteResp: "MsgPreVoteResp",
  VoteResp: "MsgVoteResp",
  Append: "MsgApp",
  AppendResp: "MsgAppResp",
  Heartbeat: "MsgHeartbeat",
  HeartbeatResp: "MsgHeartbeatResp",
  Snapshot: "MsgSnap",
  TimeoutNow: "MsgTimeoutNow",
  ReadIndex: "MsgReadIndex",
  ReadIndexResp: "MsgReadIndexResp",
} as const satisfies Record<Message["type"], string>;

export function messageName(message: Message): string {
  return messageNames[message.type];
}

/**
 * The transcripts begin with a log of term 1 below a node of term 0, which our core refuses as impossible. Here that
 * beginning is of term 0 and shown as 1.
 */
function position(term: number, index: number): string {
  return `${term === 0 && index > 0 ? 1 : term}/${index}`;
}

export function entryLine({ term, index, type, data }: Entry): string {
  if (type === EntryType.config) return `${term}/${index} EntryConfChange`;
  return `${term}/${index} EntryNormal ${JSON.stringify(new TextDecoder().decode(data))}`;
}

/** One entry stays on the line; more get a line each. */
function entriesPart(entries: readonly Entry[]): string {
  if (entries.length === 0) return "";
  const lines = entries.map(entryLine);
  return ` Entries:[${lines.length === 1 ? lines.join("") : ["", ...lines, ""].join("\n")}]`;
}

export function snapshotText({ index, term, config }: SnapshotMeta): string {
  return `Index:${index} Term:${term} ConfState:${configText(config)}`;
}

function configText({ sets, standbys, standbysNext, autoLeave }: Configuration): string {
  const list = (ids: readonly NodeId[] = []): string => `[${ids.join(" ")}]`;
  const voters = `Voters:${list(sets[0])} VotersOutgoing:${list(sets[1])}`;
  const learners = `Learners:${list(standbys)} LearnersNext:${list(standbysNext)}`;
  return `${voters} ${learners} AutoLeave:${autoLeave}`;
}

export function messageText(message: Message): string {
  const { from, to, term } = message;
  return `${from}->${to} ${messageName(message)} Term:${term} ${messageDetail(message)}`;
}

function messageDetail(message: Message): string {
  switch (message.type) {
    case "PreVote":
    case "Vote":
      return `Log:${position(message.lastTerm, message.lastIndex)}`;
    case "PreVoteResp":
    case "VoteResp":
      return `Log:0/0${message.granted ? "" : " Rejected (Hint: 0)"}`;
    case "Append": {
      const { prevTerm, prevIndex, entries } = message;
      const log = `Log:${position(prevTerm, prevIndex)}`;
      return `${log}${commitPart(message.commit)}${entriesPart(entries)}`;
    }
    case "AppendResp":
      return answerDetail(message);
    case "Heartbeat":
      return `Log:0/0${commitPart(message.commit)}`;
    case "Snapshot":
      return `Log:0/0\nSnapshot: ${snapshotText(message.meta)}`;
    default:
      return "Log:0/0";
  }
}

/** Index 0 refuses nothing: it only tells a deposed leader the newer term. */
function answerDetail(message: Extract<Message, { readonly type: "AppendResp" }>): string {
  const { ok, index, hintIndex, hintTerm } = message;
  if (ok || index === 0) return `Log:0/${index}`;
  const term = position(hintTerm, hintIndex).split("/")[0] ?? "";
  return `Log:${term}/${index} Rejected (Hint: ${hintIndex})`;
}

function commitPart(commit: number): string {
  return commit === 0 ? "" : ` Commit:${commit}`;
}

function votePart(vote: NodeId | null): string {
  return vote === null ? "" : ` Vote:${vote}`;
}

export function hardStateText({ term, vote, commit }: HardState): string {
  return `HardState Term:${term}${votePart(vote)} Commit:${commit}`;
}

/** A write, as the message to the thread that does it. */
export function appendWorkText(
  id: NodeId,
  work: { readonly hardState: HardState | null; readonly entries: readonly Entry[] },
): string {
  const { hardState, entries } = work;
  const { term = 0, vote = null, commit = 0 } = hardState ?? {};
  const promise = `${commitPart(commit)}${votePart(vote)}`;
  return `${id}->AppendThread MsgStorageAppend Term:${term} Log:0/0${promise}${entriesPart(entries)}`;
}

export function appendDoneText(
  id: NodeId,
  at: { readonly term: number; readonly last: Pick<Entry, "term" | "index"> },
): string {
  const log = position(at.last.term, at.last.index);
  return `AppendThread->${id} MsgStorageAppendResp Term:${at.term} Log:${log}`;
}

export function applyWorkText(id: NodeId, entries: readonly Entry[]): string {
  return `${id}->ApplyThread MsgStorageApply Term:0 Log:0/0${entriesPart(entries)}`;
}

export function applyDoneText(id: NodeId, entries: readonly Entry[]): string {
  return `ApplyThread->${id} MsgStorageApplyResp Term:0 Log:0/0${entriesPart(entries)}`;
}

/** A message that carries what may leave once it is done. */
export function withResponses(text: string, responses: readonly string[]): string {
  return responses.length === 0 ? text : [`${text} Responses:[`, ...responses, "]"].join("\n");
}
