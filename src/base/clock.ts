/**
 * Time as a port. Only this file touches Date, performance and timers, so that a whole cluster can run on
 * virtual time. Protocols use `monotonicMs`; wall time is for people, audit and expiry of tokens.
 */
export interface Clock {
  /** Milliseconds since an arbitrary origin; never goes back. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch; may jump. */
  wallMs(): number;
  /**
   * Calls `callback` once after `delayMs`, or up to `earlyMs` before that, when the process is awake anyway; the returned
   * function cancels it.
   */
  setTimer(delayMs: number, callback: () => void, earlyMs?: number): () => void;
}

/** How long to wait, and by how much less it may be when the process is awake anyway. */
export interface Wait {
  readonly ms: number;
  readonly earlyMs: number;
}

interface EarlyTimer {
  readonly fromMs: number;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly callback: () => void;
}

/**
 * Timers that need not be exact go with whatever wakes the process. Who slept is slow at first, with all of its code
 * gone from the processor's caches: what an idle agent does at once costs a fraction of what it does one by one.
 */
class EarlyTimers {
  readonly #waiting = new Set<EarlyTimer>();
  #earliestMs = Infinity;
  #isWatching = false;

  set(delayMs: number, callback: () => void, earlyMs: number): () => void {
    // Never at once: a callback that waits again, and reads or writes, would wake itself for ever.
    const fromMs = performance.now() + Math.max(1, delayMs - earlyMs);
    const timer = setTimeout(() => this.#run(one), delayMs);
    const one: EarlyTimer = { fromMs, timer, callback };
    this.#waiting.add(one);
    this.#earliestMs = Math.min(this.#earliestMs, fromMs);
    this.#watch();
    return () => {
      clearTimeout(timer);
      this.#waiting.delete(one);
    };
  }

  /** An immediate that does not keep the loop going runs when something else woke it. */
  #watch(): void {
    if (this.#isWatching || this.#waiting.size === 0) return;
    this.#isWatching = true;
    setImmediate(this.#look).unref();
  }

  readonly #look = (): void => {
    this.#isWatching = false;
    const nowMs = performance.now();
    if (nowMs >= this.#earliestMs) this.#runFrom(nowMs);
    this.#watch();
  };

  #runFrom(nowMs: number): void {
    for (const one of [...this.#waiting]) if (one.fromMs <= nowMs) this.#run(one);
    this.#earliestMs = Infinity;
    for (const { fromMs } of this.#waiting) this.#earliestMs = Math.min(this.#earliestMs, fromMs);
  }

  #run(one: EarlyTimer): void {
    if (!this.#waiting.delete(one)) return;
    clearTimeout(one.timer);
    one.callback();
  }
}

const earlyTimers = new EarlyTimers();

/**
 * A timer that is later than this runs after what the kernel has for the process: the loop looks at timers first, and
 * one that a stall made late would give up on an answer that has come.
 */
const lateMs = 50;

function setExactTimer(delayMs: number, callback: () => void): () => void {
  const dueMs = performance.now() + delayMs;
  let deferred: ReturnType<typeof setImmediate> | undefined;
  const timer = setTimeout(() => {
    if (performance.now() - dueMs <= lateMs) callback();
    else deferred = setImmediate(callback);
  }, delayMs);
  return () => {
    clearTimeout(timer);
    clearImmediate(deferred);
  };
}

/** The real clock. Its timers keep the process alive, as the service that owns them cancels them at stop. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer: (delayMs, callback, earlyMs = 0) => {
    return earlyMs > 0
      ? earlyTimers.set(delayMs, callback, earlyMs)
      : setExactTimer(delayMs, callback);
  },
};

/** A real timer that does not keep the process alive: for what should not be needed. */
export function lastResort(delayMs: number, callback: () => void): void {
  setTimeout(callback, delayMs).unref();
}

/** Resolves after the wait, or rejects with the signal's reason as soon as it aborts. */
export function delay(clock: Clock, wait: number | Wait, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal?.aborted === true) {
    reject(abortReason(signal));
    return promise;
  }
  const onAbort = (): void => {
    cancel();
    reject(abortReason(signal));
  };
  const { ms, earlyMs } = exactly(wait);
  const ended = (): void => {
    signal?.removeEventListener("abort", onAbort);
    resolve();
  };
  const cancel = clock.setTimer(ms, ended, earlyMs);
  signal?.addEventListener("abort", onAbort, { once: true });
  return promise;
}

/** Heartbeats wake an agent as often, so that what may be so early has one to go with. */
const mostEarlyMs = 350;

/**
 * The wait for the next multiple of `periodMs`: whoever looks now and then looks when the others do, or a little earlier
 * when the agent is awake. Never less than two fifths of the period, so that an early timer is no reason to look twice.
 */
export function untilBeat(clock: Clock, periodMs: number): Wait {
  const rest = periodMs - (clock.monotonicMs() % periodMs);
  const ms = rest < periodMs * 0.4 ? rest + periodMs : rest;
  return { ms, earlyMs: Math.min(mostEarlyMs, periodMs * 0.35) };
}

/** A plain number is meant exactly. */
export function exactly(wait: number | Wait): Wait {
  return typeof wait === "number" ? { ms: wait, earlyMs: 0 } : wait;
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
