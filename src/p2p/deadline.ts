/** Work that must end: by its result, by the caller's signal, or by the clock. */
import { abortReason, type Clock } from "../base/clock.ts";

export interface Limit {
  readonly clock: Clock;
  readonly ms: number;
  readonly signal?: AbortSignal;
}

/** Runs `work` with a signal that aborts after `ms` or with the caller's. The timer keeps the process alive. */
export async function withDeadline<T>(
  limit: Limit,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const expired = new AbortController();
  const disarm = limit.clock.setTimer(limit.ms, () => {
    expired.abort(new DOMException(`No answer within ${limit.ms} ms`, "TimeoutError"));
  });
  const { signal } = limit;
  try {
    return await work(
      signal === undefined ? expired.signal : AbortSignal.any([signal, expired.signal]),
    );
  } finally {
    disarm();
  }
}

/** `promise`, but rejects as soon as `signal` aborts; the work goes on for the others who wait for it. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => {
    // Reported to whoever still waits; one who gave up must not make it an unhandled rejection.
  });
  if (signal.aborted) throw abortReason(signal);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(abortReason(signal));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
