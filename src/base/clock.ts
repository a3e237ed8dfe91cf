/**
 * Time as a port. Only this file touches Date, performance and timers, so that a whole cluster can run on
 * virtual time. Protocols use `monotonicMs`; wall time is for people, audit and expiry of tokens.
 */
export interface Clock {
  /** Milliseconds since an arbitrary origin; never goes back. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch; may jump. */
  wallMs(): number;
  /** Calls `callback` once after `delayMs`; the returned function cancels it. */
  setTimer(delayMs: number, callback: () => void): () => void;
}

/** The real clock. Its timers keep the process alive, as the service that owns them cancels them at stop. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** A real timer that does not keep the process alive: for what should not be needed. */
export function lastResort(delayMs: number, callback: () => void): void {
  setTimeout(callback, delayMs).unref();
}

/** Resolves after `delayMs`, or rejects with the signal's reason as soon as it aborts. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal?.aborted === true) {
    reject(abortReason(signal));
    return promise;
  }
  const onAbort = (): void => {
    cancel();
    reject(abortReason(signal));
  };
  const cancel = clock.setTimer(delayMs, () => {
    signal?.removeEventListener("abort", onAbort);
    resolve();
  });
  signal?.addEventListener("abort", onAbort, { once: true });
  return promise;
}

/**
 * How long to wait for the next multiple of `periodMs`: whoever looks now and then looks when the others do, so that an
 * idle agent wakes once for all of them. Never less than a quarter of the period, so that an early timer is no reason
 * to look twice.
 */
export function untilBeat(clock: Clock, periodMs: number): number {
  const rest = periodMs - (clock.monotonicMs() % periodMs);
  return rest < periodMs / 4 ? rest + periodMs : rest;
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

/** The reason of an aborted signal as an Error. */
export function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new DOMException("Aborted", "AbortError");
}

/** RFC 3339 in UTC with milliseconds. */
export function rfc3339(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
