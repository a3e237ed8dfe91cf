/** The one place where tests wait: for a fact, with a deadline that fails and says what was last seen. */
import { delay, systemClock } from "../../src/base/clock.ts";
import { errorMessage } from "../../src/base/errors.ts";

export interface UntilOptions {
  readonly what: string;
  readonly deadlineMs?: number;
  readonly everyMs?: number;
}

/**
 * Resolves with the first truthy value of `probe`; a throwing probe counts as "not yet".
 * @throws Error at the deadline, with `what` and what was seen last.
 */
export async function until<T>(
  options: UntilOptions,
  probe: () => T | Promise<T>,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + (options.deadlineMs ?? 30_000);
  let last = "nothing";
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = JSON.stringify(value) ?? String(value);
    } catch (error) {
      last = errorMessage(error);
    }
    if (performance.now() > deadline) {
      throw new Error(`Waited in vain until ${options.what}; last seen: ${last.slice(0, 2000)}`);
    }
    await delay(systemClock, options.everyMs ?? 50);
  }
}
