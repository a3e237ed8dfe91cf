/**
 * When the lineage driver takes its next turn: soon while a quorum is missing, with what wakes the agent anyway while
 * all is well. How late each turn came tells how slow the machine is; the rest that it took by its own will does not.
 */
import { type Clock, delay, exactly, untilBeat } from "../../base/clock.ts";
import { type Nap } from "../../base/nap.ts";
import { type Slowness } from "../../base/slowness.ts";

const tickMs = 250;
/** While a leader with a quorum is in sight and nothing is decided; that it is gone is heard of at once. */
const calmTickMs = 1000;

export interface TurnDependencies {
  readonly clock: Clock;
  readonly nap: Nap;
  readonly slowness: Pick<Slowness, "late">;
}

/** Resolves when the next turn is due. @throws the signal's reason as soon as it aborts */
export async function untilNextTurn(
  { clock, nap, slowness }: TurnDependencies,
  isCalm: boolean,
  signal: AbortSignal,
): Promise<void> {
  const soonestMs = clock.monotonicMs() + tickMs;
  let dueMs = soonestMs;
  if (isCalm) {
    const wait = untilBeat(clock, calmTickMs);
    dueMs = clock.monotonicMs() + exactly(wait).ms;
    await nap.take(clock, wait, signal);
  }
  // Woken by news: not more often than the others look.
  const restMs = soonestMs - clock.monotonicMs();
  if (restMs > 0) {
    dueMs = soonestMs;
    await delay(clock, restMs, signal);
  }
  slowness.late(clock.monotonicMs() - dueMs);
}
