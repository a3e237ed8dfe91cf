/**
 * A history of get, put and append as EDN maps, one event a line:
 *
 *     {:process 0, :type :invoke, :f :get, :key "7", :value nil}
 *     {:process 0, :type :ok, :f :get, :key "7", :value "x 0 0 y"}
 *
 * An operation that fails did not happen.
 */
import { parseEdnMap, type EdnMap } from "./edn.ts";
import { type KeyValueOp } from "./key-value.ts";
import { malformed } from "./malformed.ts";
import { eventTypes, type Dialect, type LogEvent } from "./pairing.ts";

const functions = ["get", "put", "append"] as const;

interface Request {
  readonly f: (typeof functions)[number];
  readonly key: string;
  /** Null in the call of a get, and where there is no result. */
  readonly value: string | null;
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
    return { f, key, value };
  },
  failed() {
    return undefined;
  },
  effect({ f, key, value }) {
    return f === "get" || value === null ? undefined : { f, key, value };
  },
};

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
  const request = { f, key, value: typeof value === "string" ? value : null };
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
  if (call.f === reply.f && call.key === reply.key) return;
  throw malformed(
    `the reply is to :${reply.f} "${reply.key}", but the process asked for :${call.f} "${call.key}"`,
  );
}
