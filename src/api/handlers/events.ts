/**
 * The events of the inventory as a stream. Position `INDEX.SEQ` names the last event somebody has; entries are
 * never split by the view, so a position is enough to go on exactly there. It is a place in one history (places.ts):
 * a reader that followed another one is told so, as it missed what was written here since the two parted.
 */
import { rfc3339 } from "../../base/clock.ts";
import { type EventRecord } from "../../inventory/records.ts";
import { type InventoryView } from "../../inventory/view.ts";
import { type ApiContext } from "../context.ts";
import { type Event } from "../contract/events.ts";
import { type ApiRequest, type Handlers, type Lines } from "../handler.ts";
import { generationSuffix, isOfThisHistory, otherHistory, parsePlace } from "../places.ts";
import { ApiError } from "../problems.ts";
import { parseSinceTime } from "../since.ts";
import { maskUrls, maskUrlsIn } from "../views/secrets.ts";
import { waitFor } from "../waiting.ts";

interface Position {
  readonly index: number;
  readonly seq: number;
  /** As a place has it. */
  readonly generation: string | null;
}

interface Start {
  readonly after: Position;
  /** Events before this time are left out. */
  readonly notBefore: number;
}

/** Behind every event of an index. */
const wholeEntry = Number.MAX_SAFE_INTEGER;
const batchSize = 512;
const lookAgainMs = 60_000;

export const eventHandlers: Handlers<"getEvents"> = {
  getEvents: (request, context) => {
    const start = startOf(request, context);
    return eventLines(context, start, request);
  },
};

async function* eventLines(
  context: ApiContext,
  { after, notBefore }: Start,
  { query, signal }: Pick<ApiRequest<"getEvents">, "query" | "signal">,
): Lines<Event> {
  const { view } = context;
  let position = after;
  while (!signal.aborted) {
    refuseOther(context, position);
    refuseGap(view, position);
    const events = eventsAfter(view, position);
    const last = events.at(-1);
    if (last !== undefined) {
      position = positionOf(context, last);
      const wanted = events.filter(({ at }) => at >= notBefore);
      yield wanted.map((event) => {
        const id = positionText(positionOf(context, event));
        return { id, value: toEvent(event, id) };
      });
      continue;
    }
    if (query.follow !== true) return;
    const seen = position;
    const more = (): boolean => eventsAfter(view, seen).length > 0;
    await waitFor(context, more, { timeoutMs: lookAgainMs, signal });
  }
}

/**
 * The rest of a half-read entry first, by itself: a merge writes thousands of events in one entry, and the view gives
 * such an entry only when it is asked for with nothing before it.
 */
function eventsAfter(view: InventoryView, { index, seq }: Position): readonly EventRecord[] {
  const rest = view
    .events(Math.max(0, index - 1), 1)
    .filter((event) => event.index === index && event.seq > seq);
  return rest.length > 0 ? rest : view.events(index, batchSize);
}

function startOf(request: ApiRequest<"getEvents">, context: ApiContext): Start {
  const { view, clock } = context;
  const text = request.lastEventId ?? request.query.since;
  if (text === undefined) return { after: oldest(context), notBefore: 0 };
  const position = parsePosition(text);
  if (position !== null) {
    if (position.index === 0) return { after: oldest(context), notBefore: 0 };
    refuseOther(context, position);
    refuseGap(view, position);
    return { after: position, notBefore: 0 };
  }
  const at = parseSinceTime(text, clock.wallMs());
  if (at !== null) return { after: oldest(context), notBefore: at };
  const message = `"${text}" is no place to begin: give an index, an RFC 3339 time, or a duration such as 1h`;
  throw new ApiError("INVALID_REQUEST", message, { problems: [{ field: "since", message }] });
}

/** Before everything that is kept. */
function oldest(context: ApiContext): Position {
  const index = Math.max(0, context.view.firstEventIndex - 1);
  return positionOf(context, { index, seq: wholeEntry });
}

function refuseOther(context: ApiContext, position: Position): void {
  if (isOfThisHistory(context, position)) return;
  throw otherHistory(context, position, {
    what: `Position ${positionText(position)} of the events`,
    advice: (resumeAt) =>
      resumeAt === null ? "without since you get all that is kept" : `since=${resumeAt} goes on`,
  });
}

/** A reader who comes too late must know that events are missing. */
function refuseGap(view: InventoryView, { index }: Position): void {
  const first = view.firstEventIndex;
  if (first === 0 || index >= first - 1) return;
  const message = `Events after index ${index} are no longer kept; the oldest kept index is ${first}`;
  throw new ApiError("EVENTS_TRIMMED", message, { firstIndex: first });
}

function parsePosition(text: string): Position | null {
  const [, index = "", seq, generation = ""] = /^(\d+)(?:\.(\d{1,9}))?(@.+)?$/.exec(text) ?? [];
  const place = parsePlace(index + generation);
  if (place === null) return null;
  return { ...place, seq: seq === undefined ? wholeEntry : Number(seq) };
}

/** It goes out, and comes back, with what tells its history. */
function positionOf(
  context: ApiContext,
  { index, seq }: Pick<EventRecord, "index" | "seq">,
): Position {
  const suffix = generationSuffix(context, index);
  return { index, seq, generation: suffix === "" ? null : suffix.slice(1) };
}

function positionText({ index, seq, generation }: Position): string {
  const suffix = generation === null ? "" : `@${generation}`;
  return seq === wholeEntry ? `${index}${suffix}` : `${index}.${seq}${suffix}`;
}

function toEvent(
  { index, seq, at, type, subject, message, by, data }: EventRecord,
  id: string,
): Event {
  const time = rfc3339(at);
  return {
    id,
    index,
    seq,
    time,
    type,
    subject,
    message: maskUrls(message),
    by,
    data: maskUrlsIn(data),
  };
}
