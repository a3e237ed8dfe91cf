/** A lossy network with groups: messages take time, get lost, and do not pass between groups. */
import { type Random } from "../../../src/base/random.ts";

interface Flight {
  readonly at: number;
  readonly order: number;
  readonly deliver: () => void;
}

export class SimNetwork {
  /** Group of each node; nodes of different groups do not hear each other. */
  readonly groups = new Map<string, number>();
  /** One-way cuts, `from to`. */
  readonly deaf = new Set<string>();
  loss = 0;
  #flights: Flight[] = [];
  #order = 0;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  lets(from: string, to: string): boolean {
    return this.groups.get(from) === this.groups.get(to) && !this.deaf.has(`${from} ${to}`);
  }

  linked(a: string, b: string): boolean {
    return this.lets(a, b) && this.lets(b, a);
  }

  /** Asked again when it arrives: a cut in between loses it. */
  send(from: string, to: string, now: number, deliver: () => void): void {
    if (from !== to && this.#random.float() < this.loss) return;
    this.#order += 1;
    const slow = this.#random.float() < 0.05 ? 1500 : 40;
    const at = from === to ? now : now + 1 + this.#random.below(slow);
    const arrive = (): void => {
      if (from === to || this.lets(from, to)) deliver();
    };
    this.#flights.push({ at, order: this.#order, deliver: arrive });
  }

  /** Something that happens on one node later (a disk write). */
  later(at: number, deliver: () => void): void {
    this.#order += 1;
    this.#flights.push({ at, order: this.#order, deliver });
  }

  run(now: number): void {
    for (;;) {
      const due = this.#flights.filter(({ at }) => at <= now);
      if (due.length === 0) return;
      this.#flights = this.#flights.filter(({ at }) => at > now);
      due.sort((a, b) => a.at - b.at || a.order - b.order);
      for (const { deliver } of due) deliver();
    }
  }

  heal(): void {
    for (const id of this.groups.keys()) this.groups.set(id, 0);
    this.deaf.clear();
    this.loss = 0;
  }
}
