/**
 * User events: told through this agent, and the last ones that it heard as a stream. Position `LIFE.SEQ` names the
 * last one somebody has; it holds within one life of one agent, and what is of another life is read from the start.
 */
import { rfc3339 } from "../../base/clock.ts";
import { type EventRing, type HeardEvent } from "../../gossip/driver/event-ring.ts";
import { type ApiContext } from "../context.ts";
import { type UserEvent } from "../contract/user-events.ts";
import { type ApiRequest, type Handlers, type Lines } from "../handler.ts";
import { ApiError } from "../problems.ts";
import { parseSinceTime } from "../since.ts";
import { waitFor } from "../waiting.ts";

const lookAgainMs = 60_000;

export const userEventHandlers: Handlers<"tellUserEvent" | "getUserEvents"> = {
  tellUserEvent: async ({ body, idempotency }, context) => {
    if (idempotency !== null) {
      const message = "Each request tells an event of its own: leave Idempotency-Key away";
      throw new ApiError("INVALID_REQUEST", message);
    }
    const ring = ringOf(context);
    const event = await ring.tell(body.name, new TextEncoder().encode(body.payload ?? ""));
    return { value: toUserEvent(event, ring, context) };
  },

  getUserEvents: (request, context) => {
    const ring = ringOf(context);
    return lines(ring, startOf(request, ring, context), { request, context });
  },
};

interface Start {
  readonly after: number;
  /** What was heard before this time is left out. */
  readonly notBefore: number;
}

async function* lines(
  ring: EventRing,
  { after, notBefore }: Start,
  asked: { readonly request: ApiRequest<"getUserEvents">; readonly context: ApiContext },
): Lines<UserEvent> {
  const { context, request } = asked;
  const { signal } = request;
  let seen = after;
  while (!signal.aborted) {
    refuseGap(ring, seen);
    const events = ring.after(seen);
    seen = events.at(-1)?.seq ?? seen;
    yield events
      .filter(({ at }) => at >= notBefore)
      .map((event) => ({ id: idOf(event, ring), value: toUserEvent(event, ring, context) }));
    if (events.length > 0) continue;
    if (request.query.follow !== true) return;
    const onApplied: ApiContext["onApplied"] = (wake) => ring.onHeard(({ seq }) => wake(seq));
    const patience = { timeoutMs: lookAgainMs, signal };
    await waitFor({ clock: context.clock, onApplied }, () => ring.after(seen).length > 0, patience);
  }
}

function startOf(
  request: ApiRequest<"getUserEvents">,
  ring: EventRing,
  { clock }: ApiContext,
): Start {
  const text = request.lastEventId ?? request.query.since;
  const oldest = ring.first - 1;
  if (text === undefined) return { after: oldest, notBefore: 0 };
  const [, life, seq] = /^([0-9a-z]{18})\.(\d{1,15})$/.exec(text) ?? [];
  if (life !== undefined) {
    const after = life === ring.life ? Number(seq) : oldest;
    refuseGap(ring, after);
    return { after, notBefore: 0 };
  }
  const notBefore = parseSinceTime(text, clock.wallMs());
  if (notBefore !== null) return { after: oldest, notBefore };
  const message = `"${text}" is no place to begin: give the id of an event, an RFC 3339 time, or a duration such as 1h`;
  throw new ApiError("INVALID_REQUEST", message, { problems: [{ field: "since", message }] });
}

/** A reader who comes too late must know that events are missing. */
function refuseGap(ring: EventRing, after: number): void {
  if (after >= ring.first - 1) return;
  const message = `This agent keeps only its last ${ring.after(0).length} user events, and newer ones took the place of what you ask for; begin without "since"`;
  throw new ApiError("EVENTS_TRIMMED", message);
}

function ringOf(context: ApiContext): EventRing {
  const ring = context.userEvents();
  if (ring !== null) return ring;
  throw new ApiError("NO_CLUSTER", "This agent has not joined a cluster yet; it keeps trying");
}

function idOf({ seq }: HeardEvent, { life }: EventRing): string {
  return `${life}.${seq}`;
}

function toUserEvent(event: HeardEvent, ring: EventRing, context: ApiContext): UserEvent {
  const { name, payload, origin, ltime, at } = event;
  const node = context.view.nodeById(origin) ?? context.members().find(({ id }) => id === origin);
  return {
    id: idOf(event, ring),
    name,
    payload: new TextDecoder().decode(payload),
    node: node?.name ?? origin,
    origin,
    ltime,
    time: rfc3339(at),
  };
}
