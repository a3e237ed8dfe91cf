/**
 * Answers on the peer port of an agent that is gone. A statement binds: the agent will not start in its generation
 * before whoever asked has settled it, so the hold is durable before the answer leaves.
 */
import { createServer, type Server, type Socket } from "node:net";
import { type Clock } from "../../base/clock.ts";
import { type ExitStatement } from "../../consensus/lineage/types.ts";
import { readLine } from "../../p2p/exit-client.ts";
import {
  decodeQuestion,
  encodeAnswer,
  type ExitAnswer,
  type StatementQuestion,
} from "../../p2p/exit-wire.ts";
import { type ExitHold } from "./exit-hold.ts";

export interface ExitServerDependencies {
  readonly clock: Clock;
  readonly self: string;
  readonly clusterId: string;
  readonly sign: (bytes: Uint8Array) => Uint8Array;
  /** Where the agent's log ended; null when its files cannot tell. */
  readonly position: () => Promise<Omit<ExitStatement, "node" | "nonce"> | null>;
  /** Members that may ask, beside the voters. */
  readonly members: () => Promise<readonly string[]>;
  readonly hold: ExitHold;
}

const maxConnections = 32;
const answerMs = 3000;
const retryListenMs = 100;

export class ExitServer {
  readonly #deps: ExitServerDependencies;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  /** One statement at a time: each rewrites the hold. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(dependencies: ExitServerDependencies) {
    this.#deps = dependencies;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = maxConnections;
  }

  /** Takes the port over; the kernel may need a moment to free it. Resolves when it listens. */
  async listen({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const attempt = (): void => void this.#server.listen({ host, port });
    this.#server.on("error", () => this.#deps.clock.setTimer(retryListenMs, attempt));
    this.#server.once("listening", resolve);
    attempt();
    return promise;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.on(
      "close",
      this.#deps.clock.setTimer(answerMs, () => socket.destroy()),
    );
    readLine(socket, (text) => {
      if (text === null || !text.startsWith("{")) socket.resetAndDestroy();
      else void this.#answer(text).then((line) => socket.end(line));
    });
  }

  async #answer(text: string): Promise<string> {
    const { sign } = this.#deps;
    const question = decodeQuestion(text);
    if (question === null)
      return encodeAnswer(refused("the question is malformed or not signed"), sign);
    if (question.ask === "gone") return encodeAnswer({ answer: "gone" }, sign);
    const answer = this.#queue.then(() => this.#attest(question));
    this.#queue = answer.catch(() => null);
    return encodeAnswer(await answer.catch(() => refused("the hold could not be written")), sign);
  }

  async #attest({ clusterId, node, from, nonce }: StatementQuestion): Promise<ExitAnswer> {
    const { self, hold } = this.#deps;
    if (node !== self || clusterId !== this.#deps.clusterId)
      return refused("another agent lived here");
    const position = await this.#deps.position();
    if (position === null) return refused("the agent's log cannot tell where it ended");
    const isMember = position.voters.includes(from) || (await this.#deps.members()).includes(from);
    if (!isMember) return refused("the asker is no member that this agent knew");
    if (!(await hold.add({ nonce, asker: from })))
      return refused("too many statements are outstanding");
    return { answer: "statement", statement: { node, nonce, ...position } };
  }
}

function refused(reason: string): ExitAnswer {
  return { answer: "refused", reason };
}
