/**
 * Each request changes the state at most once, and every repetition gets the same answer (consensus.md I11).
 * Two nets: a window per agent that took requests in, and remembered answers per Idempotency-Key. The window
 * keeps refusals too; a key keeps only success, as a refused write changed nothing and may succeed later.
 */
import { type CommandResult, type Envelope } from "./commands.ts";
import { type IdempotencyRecord, type SessionRecord } from "./record-types.ts";
import { type Draft } from "./draft.ts";
import { type Refusal, invalid, refuse } from "./outcome.ts";
import { checkText } from "./names.ts";
import { limits } from "./limits.ts";

type Origin = NonNullable<Envelope["origin"]>;
type Idempotency = NonNullable<Envelope["idempotency"]>;

/** The answer this request got before, a refusal that goes without applying, or null: go on. */
export function replayRequest(draft: Draft, { origin }: Envelope): CommandResult | Refusal | null {
  return origin === null ? null : replaySession(draft, origin);
}

/** The same by the request's Idempotency-Key. */
export function replayByKey(
  draft: Draft,
  { idempotency }: Envelope,
): CommandResult | Refusal | null {
  return idempotency === null ? null : replayKey(draft, idempotency);
}

function replaySession(draft: Draft, origin: Origin): CommandResult | Refusal | null {
  const session = draft.view.get("session", origin.agent);
  if (session === null || session.boot < origin.boot) {
    return checkOrigin(origin) ?? (evicted(draft, origin) ? evictedRefusal(origin) : null);
  }
  if (session.boot > origin.boot) {
    return refuse("CONFLICT", "Request comes from an earlier start of its agent", {
      boot: session.boot,
    });
  }
  const before = session.results[positionOf(session, origin.seq)];
  if (before?.seq === origin.seq) return before.result;
  if (origin.seq <= session.floor) {
    return refuse(
      "CONFLICT",
      `Request ${origin.seq} of this agent is over: its answer was dropped`,
      {
        floor: session.floor,
      },
    );
  }
  return evicted(draft, origin) ? evictedRefusal(origin) : null;
}

function checkOrigin({ agent, boot }: Origin): Refusal | null {
  const problem = checkText("agent", agent, limits.nameLength) ?? checkText("boot", boot, 64);
  return problem === null ? null : invalid("take the request", problem);
}

function evicted(draft: Draft, { agent }: Origin): boolean {
  return draft.view.member(agent)?.status === "evicted";
}

function evictedRefusal({ agent }: Origin): Refusal {
  return refuse("MEMBER_EVICTED", "Request comes from an agent that was evicted", { id: agent });
}

function replayKey(draft: Draft, { key, digest }: Idempotency): CommandResult | Refusal | null {
  const problem = checkText("Idempotency-Key", key, 255) ?? checkText("digest", digest, 255);
  if (problem !== null || key === "") {
    return invalid("take the request", problem ?? "Idempotency-Key is empty");
  }
  const before = draft.view.get("idem", key);
  if (before === null || isOver(before, draft.at)) return null;
  if (before.digest === digest) return before.result;
  return refuse(
    "IDEMPOTENCY_MISMATCH",
    `Idempotency-Key "${key}" belongs to another request; use a new key`,
  );
}

/** Remembers the answer to a request that was not in the window, whatever gave it. */
export function rememberRequest(draft: Draft, { origin }: Envelope, result: CommandResult): void {
  if (origin !== null) rememberSession(draft, origin, result);
}

/** Remembers the answer to a write with an Idempotency-Key, and forgets those that are over. */
export function rememberByKey(
  draft: Draft,
  { idempotency }: Envelope,
  result: CommandResult,
): void {
  if (idempotency === null || !result.ok) return;
  dropOldKeys(draft);
  draft.put("idem", idempotency.key, { digest: idempotency.digest, at: draft.at, result });
}

function rememberSession(draft: Draft, origin: Origin, result: CommandResult): void {
  const { agent, boot, seq, acked } = origin;
  const before = draft.view.get("session", agent);
  const session: Omit<SessionRecord, "version"> =
    before?.boot === boot ? before : { boot, floor: -1, results: [] };
  const acknowledged = Math.max(session.floor, Math.min(acked, seq - 1));
  const known = session.results.slice(positionOf(session, acknowledged + 1));
  known.splice(positionOf({ results: known }, seq), 0, { seq, result });
  const excess = Math.max(0, known.length - limits.sessionResults);
  const floor = Math.max(acknowledged, known[excess - 1]?.seq ?? -1);
  const results = excess === 0 ? known : known.slice(excess);
  draft.put("session", agent, { boot, floor, results });
}

/** Where the answer to `seq` is, or would be. */
function positionOf({ results }: Pick<SessionRecord, "results">, seq: number): number {
  let low = 0;
  let high = results.length;
  if ((results[high - 1]?.seq ?? -1) < seq) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((results[middle]?.seq ?? seq) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isOver(answer: IdempotencyRecord, at: number): boolean {
  return answer.at + limits.idempotencyMs <= at;
}

function dropOldKeys(draft: Draft): void {
  for (;;) {
    const oldest = draft.view.oldestIdempotency();
    const full = draft.view.count("idem") >= limits.idempotencyKeys;
    if (oldest === null || (!full && !isOver(oldest.answer, draft.at))) return;
    draft.delete("idem", oldest.key);
  }
}
