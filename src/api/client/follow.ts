/**
 * A stream that outlives its connections: after a drop it asks again from the last event it gave out, so that the
 * caller sees every line once. It ends when the agent said `end`; a silent connection counts as dropped.
 */
import { type IncomingMessage } from "node:http";
import { type Clock, delay } from "../../base/clock.ts";
import { AgentError, isAgentError } from "../../base/errors.ts";
import { type ServerSentEvent, SseReader } from "./sse-reader.ts";

export interface FollowOptions {
  /** Opens the stream after event `lastId`; null: from where the caller wants to begin. */
  readonly open: (lastId: string | null) => Promise<IncomingMessage>;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Gives up after this long without a working connection. */
  readonly giveUpMs: number;
}

/** Heartbeats come every 15 s. */
const silenceMs = 50_000;
const firstRetryMs = 250;
const longestRetryMs = 5000;
const worthRetrying = ["NO_AGENT", "CONNECTION_LOST", "GAVE_UP", "BUSY", "STOPPED", "NO_LEADER"];

/** The data of each event, parsed. */
export async function* follow(options: FollowOptions): AsyncGenerator<unknown, void, undefined> {
  let lastId: string | null = null;
  let connection: IncomingMessage | null = await options.open(null);
  for (;;) {
    try {
      for await (const event of eventsOf(connection, options.clock)) {
        if (event.event === "end") return;
        yield parse(event.data);
        lastId = event.id;
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      if (isAgentError(error, "BAD_ANSWER")) throw error;
      // A broken connection: what comes next is to open another one.
    } finally {
      connection.destroy();
    }
    connection = await reopen(options, lastId);
  }
}

async function reopen(options: FollowOptions, lastId: string | null): Promise<IncomingMessage> {
  const { clock, signal } = options;
  const giveUpAt = clock.monotonicMs() + options.giveUpMs;
  for (let waitMs = firstRetryMs; ; waitMs = Math.min(waitMs * 2, longestRetryMs)) {
    await delay(clock, waitMs, signal);
    try {
      return await options.open(lastId);
    } catch (error) {
      signal?.throwIfAborted();
      if (!isAgentError(error, ...worthRetrying) || clock.monotonicMs() >= giveUpAt) throw error;
    }
  }
}

async function* eventsOf(
  connection: IncomingMessage,
  clock: Clock,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  const reader = new SseReader();
  let cancelTimer = (): void => {};
  const watch = (): void => {
    cancelTimer();
    cancelTimer = clock.setTimer(silenceMs, () => {
      connection.destroy(new AgentError("CONNECTION_LOST", "The stream fell silent"));
    });
  };
  try {
    watch();
    for await (const bytes of connection as AsyncIterable<Buffer>) {
      cancelTimer(); // the caller may take its time with what came
      yield* reader.push(bytes);
      watch();
    }
  } finally {
    cancelTimer();
  }
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch (error) {
    throw new AgentError("BAD_ANSWER", "A line of the stream is not JSON", {}, { cause: error });
  }
}
