/**
 * The events of the inventory as a stream. Position `INDEX.SEQ` names the last event somebody has; entries are
 * never split by the view, so a position is enough to go on exactly there.
 */
import { rfc3339 } from "../../base/clock.ts";
import { type EventRecord } from "../../inventory/records.ts";
import { type InventoryView } from "../../inventory/view.ts";
import { type ApiContext } from "../context.ts";
import { type Event } from "../contract/events.ts";
import { type ApiRequest, type Handlers, type Lines } from "../handler.ts";
import { ApiError } from "../problems.ts";
import { parseSinceTime } from "../since.ts";
import { maskUrls, maskUrlsIn } from "../views/secrets.ts";
import { waitFor } from "../waiting.ts";

interface Position {
  readonly index: number;
  readonly seq: number;
}

interface Start {
  readonly after: Position;
  /** Events before this time are left out. */
  readonly notBefore: number;
}

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
    refuseGap(view, position);
    const events = eventsAfter(view, position);
    const last = events.at(-1);
    if (last !== undefined) {
      position = { index: last.index, seq: last.seq };
      const wanted = events.filter(({ at }) => at >= notBefore);
      yield wanted.map((event) => ({ id: positionText(event), value: toEvent(event) }));
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

function startOf(request: ApiRequest<"getEvents">, { view, clock }: ApiContext): Start {
  const text = request.lastEventId ?? request.query.since;
  if (text === undefined) return { after: oldest(view), notBefore: 0 };
  const position = parsePosition(text);
  if (position !== null) {
    if (position.index === 0) return { after: oldest(view), notBefore: 0 };
    refuseGap(view, position);
    return { after: position, notBefore: 0 };
  }
  const at = parseSinceTime(text, clock.wallMs());
  if (at !== null) return { after: oldest(view), notBefore: at };
  const message = `"${text}" is no place to begin: give an index, an RFC 3339 time, or a duration such as 1h`;
  throw new ApiError("INVALID_REQUEST", message, { problems: [{ field: "since", message }] });
}

/** Before everything that is kept. */
function oldest(view: InventoryView): Position {
  return { index: Math.max(0, view.firstEventIndex - 1), seq: Number.MAX_SAFE_INTEGER };
}

/** A reader who comes too late must know that events are missing. */
function refuseGap(view: InventoryView, { index }: Position): void {
  const first = view.firstEventIndex;
  if (first === 0 || index >= first - 1) return;
  const message = `Events after index ${index} are no longer kept; the oldest kept index is ${first}`;
  throw new ApiError("EVENTS_TRIMMED", message, { firstIndex: first });
}

function parsePosition(text: string): Position | null {
  const match = /^(\d{1,15})(?:\.(\d{1,9}))?$/.exec(text);
  if (match === null) return null;
  const seq = match[2] === undefined ? Number.MAX_SAFE_INTEGER : Number(match[2]);
  return { index: Number(match[1]), seq };
}

function positionText({ index, seq }: Position): string {
  return `${index}.${seq}`;
}

function toEvent({ index, seq, at, type, subject, message, by, data }: EventRecord): Event {
  const time = rfc3339(at);
  return {
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
