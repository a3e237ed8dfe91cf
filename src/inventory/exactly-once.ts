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

/** The answer given before, a refusal that goes without applying, or null: apply it. */
export function replay(draft: Draft, envelope: Envelope): CommandResult | Refusal | null {
  const { origin, idempotency } = envelope;
  return (
    (origin === null ? null : replaySession(draft, origin)) ??
    (idempotency === null ? null : replayKey(draft, idempotency))
  );
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
  const before = session.results.find(({ seq }) => seq === origin.seq);
  if (before !== undefined) return before.result;
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

/** Remembers the answer for repetitions, and forgets what is over. */
export function remember(draft: Draft, envelope: Envelope, result: CommandResult): void {
  const { origin, idempotency } = envelope;
  if (origin !== null) rememberSession(draft, origin, result);
  if (idempotency !== null && result.ok) {
    dropOldKeys(draft);
    draft.put("idem", idempotency.key, { digest: idempotency.digest, at: draft.at, result });
  }
}

function rememberSession(draft: Draft, origin: Origin, result: CommandResult): void {
  const { agent, boot, seq, acked } = origin;
  const known = draft.view.get("session", agent);
  if (known !== null && known.boot > boot) return;
  const session: Omit<SessionRecord, "version"> =
    known?.boot === boot ? known : { boot, floor: -1, results: [] };
  if (seq <= session.floor || session.results.some((answer) => answer.seq === seq)) return;
  let floor = Math.max(session.floor, Math.min(acked, seq - 1));
  let results = session.results.filter((answer) => answer.seq > floor);
  results.push({ seq, result });
  results.sort((a, b) => a.seq - b.seq);
  const excess = results.length - limits.sessionResults;
  if (excess > 0) {
    floor = results[excess - 1]?.seq ?? floor;
    results = results.slice(excess);
  }
  draft.put("session", agent, { boot, floor, results });
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
