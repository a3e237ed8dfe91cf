/** One HTTP exchange with an agent, over its unix socket or TCP, with a deadline for the head of the answer. */
import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { type Clock } from "../../base/clock.ts";
import { AgentError } from "../../base/errors.ts";
import { type Attempt, connectionFailure, timeoutFailure } from "./failures.ts";
import { type Target } from "./target.ts";

export interface Outgoing {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Largest answer that is read as one piece. */
export const maxAnswerBytes = 256 * 1024 * 1024;

/** Sends, and resolves with the head of the answer; its body is left to be read. */
export async function exchange(
  target: Target,
  outgoing: Outgoing,
  clock: Clock,
): Promise<IncomingMessage> {
  const send = await sender(target);
  const state = { sent: false };
  const attempt = () => ({ target, write: outgoing.method !== "GET", sent: state.sent });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = send(target, outgoing);
  const isSecure = target.kind === "url" && target.url.protocol === "https:";
  request.once("socket", (socket) => {
    socket.once(isSecure ? "secureConnect" : "connect", () => (state.sent = true));
  });
  request.once("response", resolve);
  request.once("error", (error) => reject(connectionFailure(error, attempt())));
  const cancelTimer = clock.setTimer(outgoing.timeoutMs, () => {
    request.destroy(timeoutFailure(attempt(), outgoing.timeoutMs));
  });
  request.end(outgoing.body ?? undefined);
  try {
    return await promise;
  } catch (error) {
    outgoing.signal?.throwIfAborted();
    throw error;
  } finally {
    cancelTimer();
  }
}

type Send = (target: Target, outgoing: Outgoing) => ClientRequest;

async function sender(target: Target): Promise<Send> {
  if (target.kind === "url" && target.url.protocol === "https:") {
    const { request } = await import("node:https");
    return (_, outgoing) => request(optionsFor(target, outgoing));
  }
  return (_, outgoing) => httpRequest(optionsFor(target, outgoing));
}

function optionsFor(target: Target, outgoing: Outgoing): object {
  const common = {
    method: outgoing.method,
    path: outgoing.path,
    headers: { ...outgoing.headers, ...bodyHeaders(outgoing.body), connection: "close" },
    agent: false,
    ...(outgoing.signal === undefined ? {} : { signal: outgoing.signal }),
  };
  if (target.kind === "socket") {
    return { ...common, socketPath: target.path, headers: { ...common.headers, host: "muster" } };
  }
  const { url, token, ca } = target;
  return {
    ...common,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port),
    ...(ca === null ? {} : { ca }),
    headers: {
      ...common.headers,
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
  };
}

function bodyHeaders(body: string | null): Readonly<Record<string, string>> {
  return body === null ? {} : { "content-length": String(Buffer.byteLength(body)) };
}

export interface Reading {
  readonly attempt: Attempt;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** The whole body as text. */
export async function readText(message: IncomingMessage, reading: Reading): Promise<string> {
  const { attempt, timeoutMs } = reading;
  const cancelTimer = reading.clock.setTimer(timeoutMs, () => {
    message.destroy(timeoutFailure(attempt, timeoutMs));
  });
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of message as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > maxAnswerBytes) {
        throw new AgentError("BAD_ANSWER", `The answer is larger than ${maxAnswerBytes} bytes`);
      }
      parts.push(part);
    }
  } catch (error) {
    message.destroy();
    throw connectionFailure(error, attempt);
  } finally {
    cancelTimer();
  }
  return Buffer.concat(parts).toString("utf8");
}
