/**
 * The log of Jepsen's etcd register test, one event a line:
 *
 *     INFO  jepsen.util - 2	:invoke	:cas	[3 0]
 *     INFO  jepsen.util - 2	:ok	:cas	[3 0]
 *
 * A value is nil, an integer, two integers in brackets (from and to), or a keyword such as :timed-out where there
 * is no result. A compare-and-set that fails with its two values was refused because the register held another
 * value; an operation that fails with a keyword did not happen.
 */
import { malformed, quote } from "./malformed.ts";
import { eventTypes, type Dialect, type LogEvent } from "./pairing.ts";
import { type RegisterOp } from "./register.ts";

const functions = ["read", "write", "cas"] as const;

interface Request {
  readonly f: (typeof functions)[number];
  readonly value: Value;
}

type Value =
  | { readonly kind: "nil" }
  | { readonly kind: "integer"; readonly integer: number }
  | { readonly kind: "pair"; readonly from: number; readonly to: number }
  | { readonly kind: "keyword" };

export const registerLog: Dialect<Request, RegisterOp> = {
  parse: parseLine,
  assertAnswers,
  confirmed(call, reply) {
    return call.f === "read" ? { f: "read", value: readValue(reply.value) } : asked(call);
  },
  failed(call, reply) {
    const op = asked(call);
    return op.f === "cas" && reply.value.kind === "pair" ? { ...op, swapped: false } : undefined;
  },
  effect(call) {
    return call.f === "read" ? undefined : asked(call);
  },
};

const line =
  /^INFO\s+jepsen\.util\s+-\s+(\d{1,9})\s+:(invoke|ok|fail|info)\s+:(read|write|cas)\s+(\S.*)$/;

function parseLine(text: string): LogEvent<Request> {
  const [whole, process, typeName, functionName, value = ""] = line.exec(text.trimEnd()) ?? [];
  const type = eventTypes.find((known) => known === typeName);
  const f = functions.find((known) => known === functionName);
  if (whole === undefined || type === undefined || f === undefined) {
    throw malformed(
      `expected "INFO jepsen.util - PROCESS :invoke|:ok|:fail|:info :read|:write|:cas VALUE", ` +
        `got ${quote(text)}`,
    );
  }
  const request = { f, value: parseValue(value) };
  if (type === "invoke") asked(request);
  if (type === "ok" && request.value.kind === "keyword") {
    throw malformed(`an operation that is ok has a result, not ${quote(value)}`);
  }
  return { process: Number(process), type, request };
}

function parseValue(text: string): Value {
  if (text === "nil") return { kind: "nil" };
  if (/^-?\d{1,15}$/.test(text)) return { kind: "integer", integer: Number(text) };
  const pair = /^\[(-?\d{1,15})\s+(-?\d{1,15})\]$/.exec(text);
  if (pair !== null) return { kind: "pair", from: Number(pair[1]), to: Number(pair[2]) };
  if (/^:[\w.*+!?<>=/-]{1,100}$/.test(text)) return { kind: "keyword" };
  throw malformed(`expected nil, an integer, [FROM TO] or a keyword, got ${quote(text)}`);
}

/** The operation as it was called, a compare-and-set as one that swaps. */
function asked({ f, value }: Request): RegisterOp {
  if (f === "read" && value.kind === "nil") return { f, value: null };
  if (f === "write" && value.kind === "integer") return { f, value: value.integer };
  if (f === "cas" && value.kind === "pair") {
    return { f, from: value.from, to: value.to, swapped: true };
  }
  throw malformed(`a call of :read has nil, one of :write an integer, one of :cas [FROM TO]`);
}

function readValue(value: Value): number | null {
  if (value.kind === "nil") return null;
  if (value.kind === "integer") return value.integer;
  throw malformed("a read returns nil or an integer");
}

/** A reply repeats what was asked for, or has a keyword instead; one to a read has its result. */
function assertAnswers(call: Request, reply: Request): void {
  const repeats =
    call.f === "read" ||
    reply.value.kind === "keyword" ||
    JSON.stringify(call.value) === JSON.stringify(reply.value);
  if (call.f === reply.f && repeats) return;
  throw malformed("the reply is to something else than the process asked for");
}
