/** How long a simulated disk takes, and how it fails: the same for its database and its files. */
import { type Random } from "../../src/base/random.ts";
import { type SimClock } from "./clock.ts";
import { type Life } from "./life.ts";

export interface DiskProfile {
  readonly syncMs: number;
  readonly spikeMs: number;
  readonly spikeChance: number;
}

const readMs = 0.1;
const writeMs = 0.05;

export class Medium {
  readonly clock: SimClock;
  readonly #random: Random;
  profile: DiskProfile;
  /** No space is left. */
  full = false;
  /** So many of the next syncs fail. */
  syncErrors = 0;
  /** Nothing ends before this time. */
  hangsUntilMs = 0;
  /** Told before an operation ends, with the process that waits for it. */
  onOperation: (life: Life) => void = () => {};

  constructor(profile: DiskProfile, parts: { readonly clock: SimClock; readonly random: Random }) {
    this.profile = profile;
    this.clock = parts.clock;
    this.#random = parts.random;
  }

  duration(sync: boolean): number {
    const { syncMs, spikeMs, spikeChance } = this.profile;
    const spike = this.#random.float() < spikeChance ? this.#random.float() * spikeMs : 0;
    const plain = sync ? syncMs * (0.5 + this.#random.float()) : writeMs;
    return Math.max(plain + spike, this.hangsUntilMs - this.clock.nowMs);
  }
}

/** The disk as one process sees it: its operations end only while it lives. */
export class Device {
  readonly #medium: Medium;
  readonly #life: Life;

  constructor(medium: Medium, life: Life) {
    this.#medium = medium;
    this.#life = life;
  }

  /** An operation on the page cache. */
  async now<T>(operation: () => T): Promise<T> {
    return operation();
  }

  read<T>(operation: () => T): Promise<T> {
    const { clock, hangsUntilMs } = this.#medium;
    return this.#after(Math.max(readMs, hangsUntilMs - clock.nowMs), operation);
  }

  /** Writes what `operation` says when the time has come, unless the disk is full or fails. */
  write(sync: boolean, operation: () => void): Promise<void> {
    return this.#after(this.#medium.duration(sync), () => {
      this.requireSpace();
      if (sync && this.#medium.syncErrors > 0) {
        this.#medium.syncErrors -= 1;
        throw systemError("EIO");
      }
      operation();
    });
  }

  requireSpace(): void {
    if (this.#medium.full) throw systemError("ENOSPC");
  }

  #after<T>(delayMs: number, operation: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const life = this.#life;
    this.#medium.clock.after(delayMs, () => {
      if (life.alive) this.#medium.onOperation(life);
      // What a dead process had under way is decided by the crash. A stopped one's operations go on.
      if (!life.alive) return;
      try {
        const result = operation();
        life.run(() => resolve(result));
      } catch (error) {
        life.run(() => reject(error));
      }
    });
    return promise;
  }
}

export function systemError(code: "ENOSPC" | "EIO" | "ENOENT" | "EEXIST"): Error {
  return Object.assign(new Error(`${code}: simulated`), { code });
}
