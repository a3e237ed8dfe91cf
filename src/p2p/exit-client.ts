/**
 * Asks at a peer's address whether its agent is gone. While the agent runs it speaks libp2p there and does not
 * understand the question; when the host is down nobody answers; both mean: not known.
 */
import { connect, type Socket } from "node:net";
import { parseHostPort } from "./address.ts";
import {
  decodeAnswer,
  encodeQuestion,
  type ExitAnswer,
  type ExitQuestion,
  maxExitLineBytes,
} from "./exit-wire.ts";

/** One question to one `host:port`. Null when no supervisor answered. Never rejects. */
export async function askSupervisor(
  address: string,
  {
    question,
    sign,
  }: {
    readonly question: ExitQuestion;
    readonly sign: ((bytes: Uint8Array) => Uint8Array) | null;
  },
  signal: AbortSignal,
): Promise<ExitAnswer | null> {
  const target = parseHostPort(address);
  if (target === null || signal.aborted) return null;
  const { promise, resolve } = Promise.withResolvers<ExitAnswer | null>();
  const socket = connect({ host: target.host, port: target.port });
  const give = (answer: ExitAnswer | null): void => {
    socket.destroy();
    resolve(answer);
  };
  const onAbort = (): void => give(null);
  signal.addEventListener("abort", onAbort, { once: true });
  socket.on("error", () => give(null));
  socket.on("close", () => give(null));
  socket.on("connect", () => socket.write(encodeQuestion(question, sign)));
  readLine(socket, (text) => give(text === null ? null : decodeAnswer(text)));
  return promise.finally(() => signal.removeEventListener("abort", onAbort));
}

/** True when a supervisor at `address` says that its agent is gone. Never rejects. */
export async function isGone(address: string, signal: AbortSignal): Promise<boolean> {
  const asked = { question: { ask: "gone" }, sign: null } as const;
  return (await askSupervisor(address, asked, signal))?.answer === "gone";
}

/** Calls `done` once: with the first line, or with null when it gets too long for one. */
export function readLine(socket: Socket, done: (text: string | null) => void): void {
  let received = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    received = Buffer.concat([received, chunk]);
    const end = received.indexOf(0x0a);
    if (end < 0 && received.byteLength <= maxExitLineBytes) return;
    socket.off("data", onData);
    done(end < 0 ? null : received.subarray(0, end).toString("utf8"));
  };
  socket.on("data", onData);
}
