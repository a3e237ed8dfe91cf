/**
 * Lines as bytes on the wire: NDJSON, or server-sent events, whose ids make resuming exact. Heartbeats (a blank
 * line, a comment) show that a silent stream is alive. Pulled by the socket: a reader that stalls stalls the
 * source, nothing piles up.
 */
import { type Clock } from "../base/clock.ts";
import { type Lines, type StreamLine } from "./handler.ts";

export type StreamFormat = "ndjson" | "sse";

export const streamMediaTypes: Readonly<Record<StreamFormat, string>> = {
  ndjson: "application/x-ndjson",
  sse: "text/event-stream",
};

export const heartbeatMs = 15_000;

const heartbeats: Readonly<Record<StreamFormat, string>> = { ndjson: "\n", sse: ": alive\n\n" };
const ends: Readonly<Record<StreamFormat, string>> = {
  ndjson: "",
  sse: "event: end\ndata: {}\n\n",
};

export function formatFor(accept: string | undefined): StreamFormat {
  return accept?.includes("text/event-stream") === true ? "sse" : "ndjson";
}

export interface StreamDeps {
  readonly format: StreamFormat;
  readonly clock: Clock;
  /** Aborted when the stream is cut short: it then ends without saying that it is complete. */
  readonly signal: AbortSignal;
}

/** Text of the stream, in pieces. */
export async function* streamText<Value>(
  lines: Lines<Value>,
  { format, clock, signal }: StreamDeps,
): AsyncGenerator<string, void, undefined> {
  let next: ReturnType<typeof lines.next> = Promise.resolve({ done: false, value: [] });
  try {
    // Something at once, so that proxies and readers see the stream is open.
    if (format === "sse") yield heartbeats.sse;
    while (!signal.aborted) {
      const result = await withHeartbeat(next, clock);
      if (result === "quiet") {
        yield heartbeats[format];
        continue;
      }
      if (result.done === true) break;
      if (result.value.length > 0) yield batchText(result.value, format);
      next = lines.next();
    }
    signal.throwIfAborted();
    if (ends[format] !== "") yield ends[format];
  } finally {
    // Not awaited: a source that waits for more wakes by the same signal, and ends after this.
    next.catch(ignore);
    lines.return().catch(ignore);
  }
}

/** Nobody reads on: how the source ended does not matter any more. */
function ignore(): void {}

function batchText(batch: readonly StreamLine<unknown>[], format: StreamFormat): string {
  let text = "";
  for (const { id, value } of batch) {
    const json = JSON.stringify(value);
    text += format === "sse" ? `id: ${id}\ndata: ${json}\n\n` : `${json}\n`;
  }
  return text;
}

async function withHeartbeat<T>(next: Promise<T>, clock: Clock): Promise<T | "quiet"> {
  const { promise, resolve } = Promise.withResolvers<"quiet">();
  const cancel = clock.setTimer(heartbeatMs, () => resolve("quiet"));
  try {
    return await Promise.race([next, promise]);
  } finally {
    cancel();
  }
}

export interface StallLimit {
  readonly clock: Clock;
  readonly stallMs: number;
  /** The reader took nothing for so long: it is to be dropped. */
  readonly onStall: () => void;
}

export async function* limitStall(
  text: AsyncGenerator<string, void, undefined>,
  { clock, stallMs, onStall }: StallLimit,
): AsyncGenerator<string, void, undefined> {
  for await (const piece of text) {
    const cancel = clock.setTimer(stallMs, onStall);
    try {
      yield piece;
    } finally {
      cancel();
    }
  }
}
