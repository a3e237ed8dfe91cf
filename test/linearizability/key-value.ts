/** A store of strings with get, put and append. A key that was never written reads as the empty string. */
import { unreachable } from "../../src/base/assert.ts";
import { type Model } from "./model.ts";

export interface KeyValueOp {
  readonly f: "get" | "put" | "append";
  readonly key: string;
  /** What get returned, or what put and append wrote. */
  readonly value: string;
}

export const keyValue: Model<string, KeyValueOp> = {
  initial: "",
  step(state, { f, value }) {
    switch (f) {
      case "get":
        return value === state ? state : undefined;
      case "put":
        return value;
      case "append":
        return state + value;
      default:
        return unreachable(f);
    }
  },
  isRead: (op) => op.f === "get",
  key: (state) => state,
  part: (op) => op.key,
  describe: ({ f, key, value }) =>
    f === "get" ? `get "${key}" → "${shorten(value)}"` : `${f} "${key}" "${shorten(value)}"`,
};

const shownLength = 60;

/** The end of a value tells more than its beginning: appends made it. */
function shorten(text: string): string {
  return text.length <= shownLength ? text : `…${text.slice(-shownLength)}`;
}
