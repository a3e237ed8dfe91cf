/** A node as a transcript adds it: small timeouts, no eviction, a log that begins behind a snapshot. */
import { simpleConfiguration } from "../../../src/consensus/core/configuration.ts";
import { defaultCoreOptions } from "../../../src/consensus/core/options.ts";
import { emptyRecoveredLog } from "../../../src/consensus/core/recovered.ts";
import {
  type CoreOptions,
  type NodeId,
  type RecoveredLog,
} from "../../../src/consensus/core/types.ts";
import { type Directive } from "../datadriven.ts";
import { InteractionNode } from "./node.ts";
import { history } from "../entries.ts";

/** The transcripts' numbers: three heartbeats of one tick in an election timeout. */
export const electionTicks = 3;

export interface EnvironmentOptions {
  readonly core: Partial<CoreOptions>;
  /** Requests for votes leave while the own vote is still being written. */
  readonly asksWhileWriting: boolean;
  /** Election timeouts in ticks that a node draws; the shortest where nothing is said. */
  readonly timeouts: ReadonlyMap<NodeId, number>;
}

export function newNode(
  self: NodeId,
  { args }: Directive,
  environment: EnvironmentOptions,
): InteractionNode {
  const flag = (name: string): boolean => args.get(name)?.[0] === "true";
  const inflight = args.get("inflight")?.[0];
  const timeout = environment.timeouts.get(self) ?? electionTicks;
  const options: CoreOptions = {
    ...defaultCoreOptions,
    electionTicks,
    heartbeatTicks: 1,
    evictTicks: 0,
    ...(inflight === undefined ? {} : { maxInflightMessages: Number(inflight) }),
    ...environment.core,
    random: () => (timeout - electionTicks) / electionTicks,
    self,
  };
  const node = new InteractionNode(options, startingLog(args), {
    asyncStorage: flag("async-storage-writes"),
    asksWhileWriting: environment.asksWhileWriting,
    preVote: flag("prevote"),
    checkQuorum: flag("checkquorum"),
  });
  if (node.takeReady() !== null) throw new Error("a new node has nothing to say");
  return node;
}

/** Without voters: a store that never held anything. */
function startingLog(args: Directive["args"]): RecoveredLog {
  const voters = args.get("voters") ?? [];
  if (voters.length === 0) return emptyRecoveredLog(null);
  const config = simpleConfiguration(voters, args.get("learners") ?? []);
  const index = Number(args.get("index")?.[0] ?? 0);
  return {
    ...emptyRecoveredLog(config),
    hardState: { term: 0, vote: null, commit: index },
    snapshot: { id: `${index}`, index, term: 0, config, ...history, sizeBytes: 0, sha256: "" },
    firstIndex: index + 1,
    lastIndex: index,
    applied: index,
  };
}
