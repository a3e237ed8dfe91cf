/** Callers that wait for leadership to leave this agent. */
import { type NodeId } from "../core/types.ts";

interface Waiting {
  readonly to: NodeId | null;
  readonly deadlineMs: number;
  readonly resolve: (done: boolean) => void;
}

export class Transfers {
  #waiting: Waiting[] = [];

  wait(to: NodeId | null, deadlineMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.push({ to, deadlineMs, resolve });
    return promise;
  }

  /** Somebody else leads now. */
  leads(leader: NodeId): void {
    for (const { to, resolve } of this.#waiting.splice(0)) resolve(to === null || to === leader);
  }

  expire(nowMs: number): void {
    const late = this.#waiting.filter((one) => one.deadlineMs <= nowMs);
    this.#waiting = this.#waiting.filter((one) => one.deadlineMs > nowMs);
    for (const { resolve } of late) resolve(false);
  }

  giveUp(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve(false);
  }
}
