/** Waits for facts of the replicated state: looked at again after every batch of applied entries. */
import { type ApiContext } from "./context.ts";

export interface Patience {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** True once `fact` holds; false when the time is over or the caller is gone. */
export async function waitFor(
  context: Pick<ApiContext, "onApplied" | "clock">,
  fact: () => boolean,
  { timeoutMs, signal }: Patience,
): Promise<boolean> {
  if (fact()) return true;
  if (signal.aborted) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const cancelTimer = context.clock.setTimer(timeoutMs, () => resolve(false));
  const onAbort = (): void => resolve(false);
  const unsubscribe = context.onApplied(() => {
    if (fact()) resolve(true);
  });
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await promise;
  } finally {
    cancelTimer();
    unsubscribe();
    signal.removeEventListener("abort", onAbort);
  }
}
