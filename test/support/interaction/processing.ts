/** A node's turn, and the work of its two threads, each as the lines a transcript shows and what leaves then. */
import { must } from "../../../src/base/assert.ts";
import {
  type AppendOp,
  type Entry,
  type Message,
  type Ready,
} from "../../../src/consensus/core/types.ts";
import {
  appendDoneText,
  appendWorkText,
  applyDoneText,
  applyWorkText,
  entryLine,
  hardStateText,
  messageText,
  snapshotText,
  withResponses,
} from "./format.ts";
import { type InteractionNode, type Response } from "./node.ts";

export interface Shown {
  readonly lines: readonly string[];
  readonly responses: readonly Response[];
}

type ResponseOf = (message: Message) => Response;

/** Takes one Ready and does, or with asynchronous storage hands out, its work. Null when there is none. */
export function processReady(node: InteractionNode, responseOf: ResponseOf): Shown | null {
  const taken = node.takeReady();
  if (taken === null) return null;
  const { ready, soft } = taken;
  return node.settings.asyncStorage
    ? handOut(node, { ready, soft, responseOf })
    : doAtOnce(node, { ready, soft, responseOf });
}

interface Turn {
  readonly ready: Ready;
  readonly soft: string | null;
  readonly responseOf: ResponseOf;
}

/**
 * Synchronous storage. Ours is always asynchronous: an entry is handed out for applying once its write was
 * confirmed, in another Ready. With a disk that is done at once, both Readies are one turn.
 */
function doAtOnce(node: InteractionNode, { ready, soft, responseOf }: Turn): Shown {
  const { append, messages } = ready;
  const committed = [...ready.committed];
  if (append !== null) {
    node.write(append);
    node.written(append);
    committed.push(...(nextCommitted(node) ?? []));
  }
  if (committed.length > 0) node.applied(committed);
  const after = append?.after ?? [];
  const others = [...messages, ...after.filter(({ to }) => to !== node.id)];
  const lines = readyLines(ready, soft, { committed, messages: others.map(messageText) });
  for (const message of after) if (message.to === node.id) node.core.step(message);
  return { lines, responses: others.map(responseOf) };
}

function nextCommitted(node: InteractionNode): readonly Entry[] | null {
  const next = node.takeReady();
  if (next === null) return null;
  const { append, messages, committed } = next.ready;
  if (append !== null || messages.length > 0 || next.soft !== null) {
    throw new Error("a write that is done lets entries be applied, nothing else");
  }
  return committed;
}

function handOut(node: InteractionNode, { ready, soft, responseOf }: Turn): Shown {
  const { append, committed } = ready;
  const after = append?.after ?? [];
  const early = after.filter(({ type }) => type === "Vote" && node.settings.asksWhileWriting);
  const messages = [...ready.messages, ...early];
  const texts = messages.map(messageText);
  if (append !== null) {
    const done = appendDone(node, append);
    const late = after.filter((message) => !early.includes(message));
    const responses = [...late.map(responseOf), ...done];
    node.appendWork.push({ op: append, responses, confirmed: done.length > 0 });
    const shown = responses.map(({ text }) => text);
    texts.push(withResponses(appendWorkText(node.id, append), shown));
  }
  if (committed.length > 0) {
    node.applyWork.push(committed);
    texts.push(
      withResponses(applyWorkText(node.id, committed), [applyDoneText(node.id, committed)]),
    );
  }
  const lines = readyLines(ready, soft, { committed, messages: texts });
  return { lines, responses: messages.map(responseOf) };
}

/** A write without entries has no confirmation of its own, unless entries before it are still being written. */
function appendDone(node: InteractionNode, op: AppendOp): readonly Response[] {
  const { term, last: index, persisted } = node.core.status();
  if (persisted === index) return [];
  const written = node.appendWork.flatMap(({ op: { entries } }) => entries);
  const last = must([...written, ...op.entries].at(-1), "entries are being written");
  const text = appendDoneText(node.id, { term, last });
  const deliver = (): void => node.written(op);
  return [{ to: node.id, name: "MsgStorageAppendResp", local: true, text, deliver }];
}

interface Parts {
  readonly committed: readonly Entry[];
  readonly messages: readonly string[];
}

function readyLines({ append }: Ready, soft: string | null, parts: Parts): readonly string[] {
  const lines = [`Ready MustSync=${append?.mustSync ?? false}:`];
  const section = (title: string, rows: readonly string[]): void => {
    if (rows.length > 0) lines.push(title, ...rows);
  };
  if (soft !== null) lines.push(soft);
  if (append !== null && append.hardState !== null) lines.push(hardStateText(append.hardState));
  section("Entries:", append?.entries.map(entryLine) ?? []);
  if (append !== null && append.snapshot !== null) {
    lines.push(`Snapshot ${snapshotText(append.snapshot)}`);
  }
  section("CommittedEntries:", parts.committed.map(entryLine));
  section("Messages:", parts.messages);
  return lines;
}

export function processAppend(node: InteractionNode): Shown {
  const work = node.appendWork.shift();
  if (work === undefined) return { lines: ["no append work to perform"], responses: [] };
  node.write(work.op);
  if (!work.confirmed) node.written(work.op);
  const done = work.responses.map(({ text }) => text);
  const lines = ["Processing:", appendWorkText(node.id, work.op), "Responses:", ...done];
  return { lines, responses: work.responses };
}

export function processApply(node: InteractionNode): Shown {
  const entries = node.applyWork.shift();
  if (entries === undefined) return { lines: ["no apply work to perform"], responses: [] };
  const text = applyDoneText(node.id, entries);
  const done: Response = {
    to: node.id,
    name: "MsgStorageApplyResp",
    local: true,
    text,
    deliver: () => node.applied(entries),
  };
  const lines = ["Processing:", applyWorkText(node.id, entries), "Responses:", text];
  return { lines, responses: [done] };
}
