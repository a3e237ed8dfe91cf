/**
 * A store of strings with get, put, append and compare-and-set. A key that was never written reads as the empty
 * string, so that a compare-and-set from it creates. One that did not swap is as good as a read of another value.
 */
import { unreachable } from "../../src/base/assert.ts";
import { type Model } from "./model.ts";

export type KeyValueOp =
  | {
      readonly f: "get" | "put" | "append";
      readonly key: string;
      /** What get returned, or what put and append wrote. */
      readonly value: string;
    }
  | {
      readonly f: "cas";
      readonly key: string;
      readonly from: string;
      readonly value: string;
      readonly swapped: boolean;
    };

export const keyValue: Model<string, KeyValueOp> = {
  initial: "",
  step(state, op) {
    switch (op.f) {
      case "get":
        return op.value === state ? state : undefined;
      case "put":
        return op.value;
      case "append":
        return state + op.value;
      case "cas":
        if ((op.from === state) !== op.swapped) return undefined;
        return op.swapped ? op.value : state;
      default:
        return unreachable(op);
    }
  },
  isRead: (op) => op.f === "get" || (op.f === "cas" && !op.swapped),
  key: (state) => state,
  part: (op) => op.key,
  describe(op) {
    const { f, key } = op;
    const value = `"${shorten(op.value)}"`;
    if (f === "get") return `get "${key}" → ${value}`;
    if (f !== "cas") return `${f} "${key}" ${value}`;
    const outcome = op.swapped ? "swapped" : "refused";
    return `cas "${key}" "${shorten(op.from)}" to ${value} → ${outcome}`;
  },
};

const shownLength = 60;

/** The end of a value tells more than its beginning: appends made it. */
function shorten(text: string): string {
  return text.length <= shownLength ? text : `…${text.slice(-shownLength)}`;
}
