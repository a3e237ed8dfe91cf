/** The coordinator's clock, in milliseconds of monotonic time. */
import { type LocalFacts } from "./coordinator-types.ts";

export interface CoordinatorTimings {
  /** A quorum that is out of sight for so long is lost, not just between two leaders. */
  readonly quorumLossMs: number;
  /** Between two surveys, and for how long an answer counts. */
  readonly surveyMs: number;
  readonly freshMs: number;
  /** Between two greetings of a peer: while a leader is in sight, and while none is. */
  readonly helloMs: number;
  readonly anxiousHelloMs: number;
  /** A ballot that takes longer has failed. */
  readonly roundMs: number;
  /** The leader has the first word: a fence command runs so long after the quorum was lost. */
  readonly fenceAfterMs: number;
}

export const defaultTimings: CoordinatorTimings = {
  quorumLossMs: 3000,
  surveyMs: 500,
  freshMs: 2000,
  helloMs: 10_000,
  anxiousHelloMs: 1000,
  roundMs: 5000,
  fenceAfterMs: 5000,
};

/**
 * Members that are surveyed per second at most, and greeted at half that rate, so that a large cluster does not drown
 * in questions: those who lost their leader because their machines are overloaded must not keep them so.
 */
const perSecond = 25;
/** Others hold whoever asks less often for silent: they do not know that this machine is slow. */
const seldomest = 2;

/**
 * Of a large cluster, and of a slow machine: it asks a little less often, and waits as many times longer as it is slow
 * for what others say.
 */
export function scaledTimings(
  timings: CoordinatorTimings,
  facts: Pick<LocalFacts, "configuration" | "admitted" | "slowness">,
): CoordinatorTimings {
  const { slowness } = facts;
  const leastMs = (sizeOf(facts) / perSecond) * 1000;
  const usualMs = Math.max(timings.surveyMs, leastMs);
  const moreMs = usualMs * slowness - timings.surveyMs;
  return {
    ...timings,
    surveyMs: usualMs * Math.min(slowness, seldomest),
    freshMs: timings.freshMs + moreMs * 3,
    roundMs: timings.roundMs + moreMs,
    helloMs: Math.max(timings.helloMs, leastMs) * slowness,
    anxiousHelloMs: Math.max(timings.anxiousHelloMs, 2 * leastMs) * slowness,
  };
}

/** Members that start at once, and whose election is not much delayed by all of them asking who else is there. */
const fewStarting = 8;
const eachStartMs = 500;

/**
 * How long an agent that has just started waits for a leader before it asks everybody. After the loss of all power the
 * members of a large cluster need their machines to start and to elect one; for much longer nobody may act on its own.
 */
export function startPatienceMs(
  { quorumLossMs }: Pick<CoordinatorTimings, "quorumLossMs">,
  facts: Pick<LocalFacts, "configuration" | "admitted" | "settings">,
): number {
  const more = Math.max(0, sizeOf(facts) - fewStarting) * eachStartMs;
  return quorumLossMs + Math.min(more, facts.settings.timers.coldMs / 4);
}

function sizeOf({
  configuration,
  admitted,
}: Pick<LocalFacts, "configuration" | "admitted">): number {
  const { sets, standbys, observers, lost } = configuration;
  const known = sets.flat().length + standbys.length + observers.length + lost.length;
  return Math.max(known, admitted.length);
}
