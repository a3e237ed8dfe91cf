/** The core's numbers, in ticks of 50 ms, and what they must satisfy together. */
import { assert } from "../../base/assert.ts";
import { type CoreOptions } from "./types.ts";

const kib = 1024;
const mib = 1024 * kib;

/** Election after 1–2 s, heartbeat every 300 ms (entries do as well), eviction of a silent partner after 3 s. */
export const defaultCoreOptions = {
  electionTicks: 20,
  heartbeatTicks: 6,
  evictTicks: 60,
  maxAppendBytes: 512 * kib,
  maxInflightMessages: 32,
  maxInflightBytes: 8 * mib,
  maxUncommittedBytes: 64 * mib,
  maxApplyBytes: 1 * mib,
  maxEntryBytes: 256 * kib,
  maxTailBytes: 16 * mib,
} as const satisfies Omit<CoreOptions, "self" | "random">;

export function checkCoreOptions(options: CoreOptions): void {
  const { electionTicks, heartbeatTicks, evictTicks } = options;
  assert(options.self.length > 0, "a node has a name");
  assert(heartbeatTicks >= 1 && electionTicks > heartbeatTicks, "heartbeats outrun elections");
  assert(evictTicks === 0 || evictTicks >= electionTicks, "eviction waits for an election timeout");
  const sizes = [
    options.maxAppendBytes,
    options.maxInflightMessages,
    options.maxInflightBytes,
    options.maxUncommittedBytes,
    options.maxApplyBytes,
    options.maxEntryBytes,
    options.maxTailBytes,
  ];
  assert(
    sizes.every((size) => size > 0),
    "limits are positive",
  );
}
