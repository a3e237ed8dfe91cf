/** The last events of a run, one line each, for the report of a failure. */
import { type Message, type Ready } from "../../src/consensus/core/types.ts";
import { type SimClock } from "./clock.ts";

export class Trace {
  readonly #clock: SimClock;
  readonly #limit: number;
  /** A ring of the last ones; most are never rendered. */
  readonly #lines: (() => string)[] = [];
  readonly #times: number[] = [];
  count = 0;

  constructor(clock: SimClock, limit: number) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** `line` is only rendered when a run fails: it must not read state that changes. */
  add(line: () => string): void {
    const at = this.count % this.#limit;
    this.#lines[at] = line;
    this.#times[at] = this.#clock.nowMs;
    this.count += 1;
  }

  render(): string {
    const oldest = this.count > this.#limit ? this.count % this.#limit : 0;
    const order = [...this.#lines.keys()].map((i) => (oldest + i) % this.#lines.length);
    return order.map((at) => `${this.#timeAt(at)} ${this.#lines[at]?.() ?? ""}`).join("\n");
  }

  #timeAt(at: number): string {
    return (this.#times[at] ?? 0).toFixed(1).padStart(9);
  }
}

export function describeMessage(message: Message): string {
  const { type, from, to, term, ...rest } = message;
  const fields = Object.entries(rest).map(([name, value]: [string, unknown]) => {
    if (name === "entries") {
      const list = value as readonly { index: number; term: number; type: number }[];
      return `entries:[${list.map((e) => `${e.index}/${e.term}${e.type === 2 ? "c" : ""}`).join(" ")}]`;
    }
    if (name === "meta") return `meta:${(value as { id: string }).id}`;
    return `${name}:${String(value)}`;
  });
  return `${from}->${to} ${type} term:${term} ${fields.join(" ")}`;
}

export function describeReady(id: string, ready: Ready): string {
  const parts: string[] = [];
  if (ready.soft !== null) parts.push(`${ready.soft.role} term:${ready.soft.term}`);
  if (ready.config !== null) {
    const { index, sets } = ready.config.effective;
    parts.push(`config@${index}:${sets.map((set) => `(${set.join(" ")})`).join("&&")}`);
  }
  if (ready.append !== null) {
    const { seq, truncateFrom, entries, hardState, snapshot } = ready.append;
    const names = entries.map((e) => `${e.index}/${e.term}${e.type === 2 ? "c" : ""}`).join(" ");
    parts.push(`write#${seq}[${names}]`);
    if (truncateFrom !== null) parts.push(`cut:${truncateFrom}`);
    if (snapshot !== null) parts.push(`install:${snapshot.id}`);
    if (hardState !== null) {
      parts.push(`hs:${hardState.term}/${hardState.vote ?? "-"}/${hardState.commit}`);
    }
  }
  if (ready.committed.length > 0) parts.push(`apply:..${ready.committed.at(-1)?.index ?? 0}`);
  return `${id} ${parts.join(" ")}`;
}
