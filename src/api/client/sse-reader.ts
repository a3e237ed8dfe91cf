/**
 * Incremental parser of server-sent events (WHATWG HTML, "event stream"): pure, so that cuts at any byte can be
 * tested. Comments count as signs of life and are not given out.
 */
import { StringDecoder } from "node:string_decoder";
import { AgentError } from "../../base/errors.ts";

export interface ServerSentEvent {
  readonly id: string | null;
  readonly event: string;
  readonly data: string;
}

/** Longest line in characters; a log line of 1 MB may grow sixfold by JSON escapes. */
const maxLineLength = 32 * 1024 * 1024;

export class SseReader {
  readonly #decoder = new StringDecoder("utf8");
  #rest: string[] = [];
  #restLength = 0;
  #id: string | null = null;
  #event = "";
  #data: string[] = [];

  /** Events that `bytes` completed. */
  push(bytes: Buffer): readonly ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    const pieces = this.#decoder.write(bytes).split("\n");
    const last = pieces.pop() ?? "";
    for (const piece of pieces) {
      this.#keep(piece);
      const event = this.#line(this.#takeLine());
      if (event !== null) events.push(event);
    }
    this.#keep(last);
    return events;
  }

  #keep(piece: string): void {
    if (piece === "") return;
    this.#rest.push(piece);
    this.#restLength += piece.length;
    if (this.#restLength > maxLineLength) {
      throw new AgentError("BAD_ANSWER", `A line is longer than ${maxLineLength} characters`);
    }
  }

  #takeLine(): string {
    const line = this.#rest.join("");
    this.#rest = [];
    this.#restLength = 0;
    return line.endsWith("\r") ? line.slice(0, -1) : line;
  }

  #line(line: string): ServerSentEvent | null {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id") this.#id = value;
    return null;
  }

  #dispatch(): ServerSentEvent | null {
    const data = this.#data;
    const event = this.#event === "" ? "message" : this.#event;
    this.#data = [];
    this.#event = "";
    return data.length === 0 ? null : { id: this.#id, event, data: data.join("\n") };
  }
}
