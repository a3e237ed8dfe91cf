/** A wait that news end early: for a service that acts on changes and looks now and then all the same. */
import { type Clock, exactly, unlessAborted, type Wait } from "./clock.ts";

export class Nap {
  #waking: () => void = () => undefined;

  /** Ends the wait under way; without one nothing happens: whoever is awake looks by itself before it waits. */
  wake(): void {
    this.#waking();
  }

  /** Resolves after the wait, or when it is woken. @throws the signal's reason as soon as it aborts */
  async take(clock: Clock, wait: number | Wait, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waking = resolve;
    const { ms, earlyMs } = exactly(wait);
    const cancel = clock.setTimer(ms, resolve, earlyMs);
    await unlessAborted(promise, signal).finally(cancel);
  }
}
