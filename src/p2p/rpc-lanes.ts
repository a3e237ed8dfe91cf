/** The two lanes of RPC: control for small and urgent, bulk for bytes, on streams of their own. */
import { Protocol } from "./protocols.ts";
import { type RpcLane } from "./ports.ts";

export interface LaneLimits {
  readonly lane: RpcLane;
  readonly protocol: Protocol;
  readonly prefix: 4;
  /** Of one message with its envelope. */
  readonly maxFrameBytes: number;
  readonly maxQueueBytes: number;
  /** Requests of one peer that are under way at once. */
  readonly maxConcurrent: number;
}

const mebibyte = 1024 * 1024;

export const lanes: Readonly<Record<RpcLane, LaneLimits>> = {
  control: {
    lane: "control",
    protocol: Protocol.rpc,
    prefix: 4,
    maxFrameBytes: 4 * mebibyte,
    maxQueueBytes: 16 * mebibyte,
    maxConcurrent: 1024,
  },
  bulk: {
    lane: "bulk",
    protocol: Protocol.bulk,
    prefix: 4,
    maxFrameBytes: 4 * mebibyte,
    maxQueueBytes: 16 * mebibyte,
    maxConcurrent: 64,
  },
};
