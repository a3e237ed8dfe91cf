/**
 * How many attempts to connect are at work at once: a handshake costs milliseconds of CPU on both sides, and without a
 * quorum an agent looks for everybody. A peer whose machine is frozen takes the call, and then says nothing: who waits
 * so gives his place to the next, and whoever failed last time comes behind those who did not.
 */
import { abortReason, type Clock } from "../base/clock.ts";

const places = 64;
/** Far longer than a handshake takes of a peer that is not overloaded. */
const atWorkMs = 2_000;
/** What may be under way in all: so many begin in the time that the slowest may take. */
export const maxDialsAtOnce = 512;

interface Waiting {
  readonly isDoubtful: boolean;
  readonly enter: () => void;
}

export class DialSlots {
  readonly #clock: Pick<Clock, "setTimer">;
  #free = places;
  #waiting: Waiting[] = [];

  constructor(clock: Pick<Clock, "setTimer">) {
    this.#clock = clock;
  }

  /** Resolves when an attempt may begin, with what to call at its end. @throws the signal's reason */
  async take(isDoubtful: boolean, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#turn(isDoubtful, signal);
    let isTaken = true;
    const leave = (): void => {
      if (isTaken) this.#leave();
      isTaken = false;
      cancel();
    };
    const cancel = this.#clock.setTimer(atWorkMs, leave);
    return leave;
  }

  #turn(isDoubtful: boolean, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = { isDoubtful, enter: resolve };
    const giveUp = (): void => {
      this.#waiting = this.#waiting.filter((one) => one !== waiting);
      reject(abortReason(signal));
    };
    signal.addEventListener("abort", giveUp, { once: true });
    const at = isDoubtful ? -1 : this.#waiting.findIndex((one) => one.isDoubtful);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, waiting);
    return promise.finally(() => signal.removeEventListener("abort", giveUp));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next.enter();
  }
}
