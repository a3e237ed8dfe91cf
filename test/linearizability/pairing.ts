/**
 * Pairs the events of a client log into operations. A process has one operation at a time; its replies are
 *   ok    it happened, with this result
 *   fail  it did not happen, or it happened and its result is that nothing changed
 *   info  nobody knows; nor does anybody about an operation that never got a reply
 */
import { type Operation } from "./history.ts";
import { malformed } from "./malformed.ts";

export const eventTypes = ["invoke", "ok", "fail", "info"] as const;

export interface LogEvent<Request> {
  readonly process: number;
  readonly type: (typeof eventTypes)[number];
  /** What was asked for; in a reply, with its result. */
  readonly request: Request;
}

/** How a format says what happened. */
export interface Dialect<Request, Op> {
  parse(line: string): LogEvent<Request>;
  /** Throws when `reply` is about something else than `call`. */
  assertAnswers(call: Request, reply: Request): void;
  /** The operation that `reply` confirms. */
  confirmed(call: Request, reply: Request): Op;
  /** What a failed operation observed; undefined when nothing happened. */
  failed(call: Request, reply: Request): Op | undefined;
  /** The effect that the operation had if it happened; undefined when it has none. */
  effect(call: Request): Op | undefined;
}

/** Limit on what is read from outside. */
const operationsMax = 1_000_000;

interface OpenCall<Request> {
  readonly call: Request;
  readonly called: number;
}

export class Pairing<Request, Op> {
  readonly #dialect: Dialect<Request, Op>;
  readonly #open = new Map<number, OpenCall<Request>>();
  readonly #operations: Operation<Op>[] = [];
  #calls = 0;

  constructor(dialect: Dialect<Request, Op>) {
    this.#dialect = dialect;
  }

  add(text: string, line: number): void {
    const event = this.#dialect.parse(text);
    if (event.type === "invoke") this.#call(event, line);
    else this.#reply(event, line);
  }

  /** All operations, those without a reply included. */
  end(): readonly Operation<Op>[] {
    for (const [process, open] of this.#open) this.#unknown(process, open);
    this.#open.clear();
    return this.#operations;
  }

  #call({ process, request }: LogEvent<Request>, line: number): void {
    const open = this.#open.get(process);
    if (open !== undefined) {
      throw malformed(
        `process ${process} calls again, but its call of line ${open.called} has no reply yet`,
      );
    }
    this.#calls += 1;
    if (this.#calls > operationsMax) throw malformed(`more than ${operationsMax} operations`);
    this.#open.set(process, { call: request, called: line });
  }

  #reply({ process, type, request }: LogEvent<Request>, line: number): void {
    const open = this.#open.get(process);
    if (open === undefined) {
      throw malformed(`process ${process} gets a reply, but has made no call`);
    }
    this.#open.delete(process);
    const { call, called } = open;
    this.#dialect.assertAnswers(call, request);
    if (type === "info") return this.#unknown(process, open);
    const op =
      type === "ok" ? this.#dialect.confirmed(call, request) : this.#dialect.failed(call, request);
    if (op !== undefined) this.#operations.push({ process, op, called, returned: line });
  }

  #unknown(process: number, { call, called }: OpenCall<Request>): void {
    const op = this.#dialect.effect(call);
    if (op !== undefined) this.#operations.push({ process, op, called, returned: null });
  }
}
