/** What was refused, and why: for health, metrics and tests. */
export const counterNames = [
  "accusationsAhead",
  "badSignature",
  "incompatible",
  "membersFull",
  "notAdmitted",
  "misdirected",
  "refutations",
  "syncsBusy",
] as const;
export type CounterName = (typeof counterNames)[number];

export class Counters {
  readonly #values = new Map<CounterName, number>();

  add(name: CounterName): void {
    this.#values.set(name, this.get(name) + 1);
  }

  get(name: CounterName): number {
    return this.#values.get(name) ?? 0;
  }
}
