/**
 * Log lines speak of nodes as operators do: where a value is the id of a node of the inventory, or a text has it, the
 * name stands there. A name is one node's for ever (`muster nodes show NAME` has the id). What also says a name itself keeps the id, and so
 * do lines for developers (debug).
 */
import { type Logger } from "../base/logger.ts";

/** libp2p's text of an Ed25519 key: the hash that is none, of 36 bytes, in base 58. */
const peerIds = /12D3KooW[1-9A-HJ-NP-Za-km-z]{44}/g;
/** Lists of nodes in lists of what is told of each. */
const maxDepth = 3;

export function namedLogger(logger: Logger, nameOf: (id: string) => string | null): Logger {
  const named = (value: unknown, depth: number): unknown => {
    if (typeof value === "string") return value.replace(peerIds, (id) => nameOf(id) ?? id);
    if (typeof value !== "object" || value === null || depth === maxDepth) return value;
    if (Array.isArray(value)) return value.map((item) => named(item, depth + 1));
    if (!isPlain(value) || "name" in value) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, named(item, depth + 1)]),
    );
  };
  const of = (data: object): object => named(data, 0) as object;
  return {
    debug: (data, message) => logger.debug(data, message),
    info: (data, message) => logger.info(of(data), message),
    warn: (data, message) => logger.warn(of(data), message),
    error: (data, message) => logger.error(of(data), message),
    child: (bindings) => namedLogger(logger.child(bindings), nameOf),
  };
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
