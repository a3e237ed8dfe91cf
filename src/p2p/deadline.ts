/** Work that must end: by its result, by the caller's signal, or by the clock. */
import { type Clock } from "../base/clock.ts";

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
