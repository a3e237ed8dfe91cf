/**
 * One register with read, write and compare-and-set, as in Jepsen's etcd histories. It starts as nil. A
 * compare-and-set reports whether it swapped: one that did not is as good as a read of some other value.
 */
import { unreachable } from "../../src/base/assert.ts";
import { type Model } from "./model.ts";

export type RegisterOp =
  | { readonly f: "read"; readonly value: number | null }
  | { readonly f: "write"; readonly value: number }
  | { readonly f: "cas"; readonly from: number; readonly to: number; readonly swapped: boolean };

export const register: Model<number | null, RegisterOp> = {
  initial: null,
  step(state, op) {
    switch (op.f) {
      case "read":
        return op.value === state ? state : undefined;
      case "write":
        return op.value;
      case "cas":
        if ((op.from === state) !== op.swapped) return undefined;
        return op.swapped ? op.to : state;
      default:
        return unreachable(op);
    }
  },
  isRead: (op) => op.f === "read" || (op.f === "cas" && !op.swapped),
  key: (state) => show(state),
  part: () => "register",
  describe(op) {
    if (op.f === "read") return `read → ${show(op.value)}`;
    if (op.f === "write") return `write ${op.value}`;
    return `cas ${op.from} to ${op.to} → ${op.swapped ? "swapped" : "refused"}`;
  },
};

const show = (value: number | null): string => (value === null ? "nil" : String(value));
