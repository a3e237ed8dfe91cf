/**
 * A history of get, put, append and compare-and-set as EDN maps, one event a line:
 *
 *     {:process 0, :type :invoke, :f :get, :key "7", :value nil}
 *     {:process 0, :type :ok, :f :get, :key "7", :value "x 0 0 y"}
 *     {:process 1, :type :invoke, :f :cas, :key "7", :from "x 0 0 y", :value "z"}
 *     {:process 1, :type :fail, :f :cas, :key "7", :from "x 0 0 y", :value "z"}
 *
 * An operation that fails did not happen; a compare-and-set that fails with its two values was refused because
 * the key held another value, one that fails with :value nil did not happen at all.
 */
import { parseEdnMap, type EdnMap } from "./edn.ts";
import { type KeyValueOp } from "./key-value.ts";
import { malformed } from "./malformed.ts";
import { eventTypes, type Dialect, type LogEvent } from "./pairing.ts";

const functions = ["get", "put", "append", "cas"] as const;

interface Request {
  readonly f: (typeof functions)[number];
  readonly key: string;
  /** Null in the call of a get, and where there is no result. */
  readonly value: string | null;
  /** What a compare-and-set expects; null with every other function. */
  readonly from: string | null;
}

export const keyValueLog: Dialect<Request, KeyValueOp> = {
  parse: parseLine,
  assertAnswers,
  confirmed(call, reply) {
    const { f, key, value } = reply;
    if (value === null || (f !== "get" && value !== call.value)) {
      throw malformed(
        `a :${f} that is ok has ${f === "get" ? "a string" : "the string of its call"}`,
      );
    }
    return f === "cas" ? swap(call, true) : { f, key, value };
  },
  failed(call, reply) {
    return call.f === "cas" && reply.value !== null ? swap(call, false) : undefined;
  },
  effect(call) {
    const { f, key, value } = call;
    if (f === "get" || value === null) return undefined;
    return f === "cas" ? swap(call, true) : { f, key, value };
  },
};

function swap({ key, from, value }: Request, swapped: boolean): KeyValueOp {
  return { f: "cas", key, from: from ?? "", value: value ?? "", swapped };
}

function parseLine(text: string): LogEvent<Request> {
  const map = parseEdnMap(text);
  const process = map.get(":process");
  if (typeof process !== "number" || process < 0) {
    throw malformed(":process must be an integer of at least 0");
  }
  const type = oneOf(map, ":type", eventTypes);
  const f = oneOf(map, ":f", functions);
  const key = map.get(":key");
  if (typeof key !== "string") throw malformed(":key must be a string");
  const value = map.get(":value");
  if (typeof value === "number" || value === undefined) {
    throw malformed(":value must be a string or nil");
  }
  const from = map.get(":from");
  if ((f === "cas") !== (typeof from === "string")) {
    throw malformed("a :cas has a string as :from, and nothing else has");
  }
  const request = {
    f,
    key,
    value: typeof value === "string" ? value : null,
    from: typeof from === "string" ? from : null,
  };
  if (type === "invoke" && (f === "get") !== (request.value === null)) {
    throw malformed(`a call of :${f} has ${f === "get" ? "the value nil" : "a string"}`);
  }
  return { process, type, request };
}

/** The keyword that `field` has, without its colon. */
function oneOf<Name extends string>(map: EdnMap, field: string, names: readonly Name[]): Name {
  const value = map.get(field);
  const found =
    typeof value === "object" && value !== null
      ? names.find((name) => `:${name}` === value.keyword)
      : undefined;
  if (found !== undefined) return found;
  throw malformed(`${field} must be one of ${names.map((name) => `:${name}`).join(", ")}`);
}

function assertAnswers(call: Request, reply: Request): void {
  const same = call.f === reply.f && call.key === reply.key && call.from === reply.from;
  // The reply to a compare-and-set repeats what was asked for, or has nil instead.
  const repeats = call.f !== "cas" || reply.value === null || reply.value === call.value;
  if (same && repeats) return;
  throw malformed(
    `the reply is to :${reply.f} "${reply.key}", but the process asked for :${call.f} "${call.key}"`,
  );
}
