/**
 * Writes down what clients see, as a history that `npm run lincheck` reads. A call is written before the request
 * is sent and a reply after the answer came, so that the order of the lines is the order of time.
 */
import { formatEdnMap, type EdnValue } from "./edn.ts";

/** `append` and `put` write; `cas` writes when the key holds `from`. A key that does not exist holds "". */
export type Call =
  | { readonly f: "get"; readonly key: string }
  | { readonly f: "put" | "append"; readonly key: string; readonly value: string }
  | { readonly f: "cas"; readonly key: string; readonly from: string; readonly value: string };

export type Outcome =
  /** It happened; `value` is what a get returned. */
  | { readonly type: "ok"; readonly value?: string }
  /** A compare-and-set found another value. */
  | { readonly type: "refused" }
  /** It surely did not happen. */
  | { readonly type: "fail" }
  /** Nobody knows. */
  | { readonly type: "info" };

export class Recorder {
  readonly #lines: string[] = [];
  /** Line → the generation that gave this reply. */
  readonly #told = new Map<number, string>();
  #processes = 0;

  /** The number of a client that makes one call at a time. */
  newProcess(): number {
    this.#processes += 1;
    return this.#processes - 1;
  }

  call(process: number, call: Call): void {
    this.#write(process, "invoke", call, call.f === "get" ? null : call.value);
  }

  /** @param generation the history that the answer is of, where it says so. */
  reply(process: number, call: Call, outcome: Outcome, generation: string | null = null): void {
    if (generation !== null) this.#told.set(this.#lines.length + 1, generation);
    const asked = call.f === "get" ? null : call.value;
    switch (outcome.type) {
      case "ok":
        return this.#write(process, "ok", call, call.f === "get" ? (outcome.value ?? "") : asked);
      case "refused":
        return this.#write(process, "fail", call, asked);
      case "fail":
        return this.#write(process, "fail", call, null);
      case "info":
        return this.#write(process, "info", call, null);
    }
  }

  /** Which generation gave the reply in this line (from 1). */
  generationAt(line: number): string | null {
    return this.#told.get(line) ?? null;
  }

  get size(): number {
    return this.#lines.length;
  }

  text(): string {
    return `${this.#lines.join("\n")}\n`;
  }

  #write(process: number, type: string, call: Call, value: string | null): void {
    const map = new Map<string, EdnValue>([
      [":process", process],
      [":type", { keyword: `:${type}` }],
      [":f", { keyword: `:${call.f}` }],
      [":key", call.key],
    ]);
    if (call.f === "cas") map.set(":from", call.from);
    map.set(":value", value);
    this.#lines.push(formatEdnMap(map));
  }
}
