/**
 * Everything that can change the inventory: one closed union, applied by one pure reducer on every agent in
 * the same order. A command is a request, not a fact: the reducer checks it against the state it meets and
 * answers with a result or a refusal. Wire and disk form is msgpack of `Envelope`; `v` is the schema version.
 */
import { type Json, type JsonObject } from "../base/json.ts";
import { type PeerId } from "../base/ids.ts";
import { type Generation, type GenerationRef } from "../consensus/lineage/types.ts";
import { type LostEvidence } from "./lineage-records.ts";
import { type Condition } from "./conditions.ts";
import {
  type ClusterRecord,
  type CurrentRun,
  type Facts,
  type FinishedRun,
  type JobAction,
  type JobNodeStatus,
  type Manifest,
  type Phase,
  type Reachability,
  type Settings,
  type Strategy,
} from "./records.ts";

export const schemaVersion = 2;

/** An agent reads whatever an earlier one wrote. 2: logs that were salvaged, exports in parts. */
export function isKnownSchema(version: unknown): boolean {
  return Number.isInteger(version) && 1 <= Number(version) && Number(version) <= schemaVersion;
}

/** Conditional write: `version` of the record as the caller last saw it; 0 means "must not exist". */
export interface Expect {
  readonly ifVersion?: number;
}

export type Command =
  /** First command of a cluster: its identity, and the first agent as member and node. */
  | {
      readonly type: "cluster.create";
      readonly cluster: Omit<ClusterRecord, "version" | "createdAt">;
      readonly member: { readonly id: PeerId; readonly name: string; readonly address: string };
    }
  /** Admits an agent that proved a join token; creates its node as `discovered`, once. */
  | {
      readonly type: "member.admit";
      readonly id: PeerId;
      readonly name: string;
      readonly address: string;
      readonly token: string;
    }
  /** Gossip's view, batched by the leader: at most 512 changes an entry. */
  | {
      readonly type: "node.reachability";
      readonly changes: readonly {
        readonly id: PeerId;
        readonly reachability: Reachability;
        readonly address?: string;
      }[];
      /** Why the leader holds losses back, as a condition of its node; null: it does not any more. */
      readonly doubt?: {
        readonly observer: PeerId;
        readonly cause: { readonly reason: string; readonly message: string } | null;
      };
    }
  | {
      readonly type: "node.facts";
      readonly id: PeerId;
      readonly facts: Facts;
      readonly address: string;
    }
  /** The agent's log was damaged in this way, and started over; null: it is whole again. */
  | { readonly type: "node.log"; readonly id: PeerId; readonly damage: string | null }
  /** Merge patch of labels (null removes), roles (whole), vars (null removes a top-level key). */
  | ({
      readonly type: "node.patch";
      readonly node: string;
      readonly labels?: Readonly<Record<string, string | null>>;
      readonly roles?: readonly string[];
      readonly vars?: JsonObject;
    } & Expect)
  | ({ readonly type: "node.forget"; readonly node: string; readonly force: boolean } & Expect)
  | ({ readonly type: "var.put"; readonly key: string; readonly value: Json } & Expect)
  | ({ readonly type: "var.delete"; readonly key: string } & Expect)
  /** Atomic: null deletes a key. */
  | { readonly type: "vars.patch"; readonly patch: JsonObject }
  | ({ readonly type: "role.put"; readonly role: string; readonly vars: JsonObject } & Expect)
  | ({ readonly type: "role.delete"; readonly role: string } & Expect)
  | ({ readonly type: "settings.put"; readonly settings: Settings } & Expect)
  | {
      readonly type: "token.create";
      readonly id: string;
      readonly kind: "join" | "api";
      readonly verifier: string;
      readonly role: "admin" | "reader" | null;
      readonly name: string | null;
      readonly uses: number | null;
      /** Milliseconds from the command's time; null means no expiry. */
      readonly ttlMs: number | null;
    }
  | ({ readonly type: "token.revoke"; readonly id: string } & Expect)
  /** One step of the key ring of gossip's datagrams; `secret` (64 hex digits) comes with a new key. */
  | {
      readonly type: "keyring.change";
      readonly step: "create" | "install" | "use" | "remove";
      readonly key: number;
      readonly secret: string | null;
    }
  | ({
      readonly type: "config.source";
      readonly source: { readonly url: string; readonly ref: string | null };
    } & Expect)
  | { readonly type: "config.refresh" }
  /** The leader fetched: a new revision in force, or the reason why the last good one stays. */
  | {
      readonly type: "config.fetched";
      readonly request: number;
      readonly source: { readonly url: string; readonly ref: string | null };
      readonly result:
        | {
            readonly ok: true;
            readonly commit: string;
            readonly bundle: string;
            readonly bundleBytes: number;
            readonly manifest: Manifest;
            readonly by: PeerId;
          }
        | { readonly ok: false; readonly code: string; readonly message: string };
    }
  | {
      readonly type: "job.create";
      readonly id: string;
      readonly action: JobAction;
      readonly targets: readonly string[];
      readonly roles: readonly string[] | null;
      readonly vars: JsonObject;
      readonly strategy: Strategy;
      readonly waves: readonly (readonly string[])[];
      readonly revision: string | null;
      readonly force: boolean;
      readonly reason: string;
    }
  /** A queued job takes its nodes; refused while any is held. */
  | { readonly type: "job.start"; readonly job: string }
  /** A node's work begins: phase moves, roles are frozen. */
  | {
      readonly type: "job.node.begin";
      readonly job: string;
      readonly node: string;
      readonly phase: Phase | null;
      readonly roles: readonly string[];
    }
  /** Recorded before the target is asked, so that a new leader knows what may be running. */
  | {
      readonly type: "run.begin";
      readonly job: string;
      readonly node: string;
      readonly run: CurrentRun;
    }
  /** The end of a run: ledger entry and job progress. The first result of a run id wins. */
  | {
      readonly type: "run.finish";
      readonly job: string;
      readonly node: string;
      readonly result: FinishedRun;
      readonly vars: JsonObject;
      readonly varsDigest: string;
      readonly transcripts: readonly PeerId[];
    }
  /** More peers hold the transcript of a run. */
  | {
      readonly type: "run.transcripts";
      readonly node: string;
      readonly run: string;
      readonly peers: readonly PeerId[];
    }
  /** A node's work ends: its phase, its conditions, its roles, in one entry. */
  | {
      readonly type: "job.node.finish";
      readonly job: string;
      readonly node: string;
      readonly status: Exclude<JobNodeStatus, "pending" | "running">;
      readonly phase: Phase | null;
      readonly step: string | null;
      readonly exitCode: number | null;
      readonly message: string;
      /** Commit that is on the node now; null: none is; undefined: unchanged. */
      readonly revision: string | null | undefined;
      /** null: unchanged. */
      readonly appliedRoles: readonly string[] | null;
      /** null: unchanged; status `False` takes the condition away. */
      readonly condition: Omit<Condition, "since"> | null;
    }
  | {
      readonly type: "job.finish";
      readonly job: string;
      readonly status: "succeeded" | "failed" | "cancelled" | "rolled-back";
    }
  | ({ readonly type: "job.cancel"; readonly job: string } & Expect)
  | ({ readonly type: "job.pause"; readonly job: string } & Expect)
  | ({ readonly type: "job.resume"; readonly job: string } & Expect)
  /** Failed, rolled back, lost and cancelled nodes of an ended job go back to pending. */
  | ({ readonly type: "job.retry"; readonly job: string } & Expect)
  /** First command of a forced generation: which one, on whose word, and what was known of those left behind. */
  | {
      readonly type: "generation.begin";
      readonly generation: Generation;
      readonly evidence: readonly LostEvidence[];
    }
  /** Everybody who was left behind is back or forgotten: the generation is not provisional any more. */
  | { readonly type: "generation.settled"; readonly id: string; readonly reason: string }
  /** A page of what a losing generation wrote since the fork; the one that completes its export merges it. */
  | {
      readonly type: "merge.page";
      readonly generation: GenerationRef;
      readonly forkIndex: number;
      /** Members of the losing side; counts on the first page only. */
      readonly members: readonly PeerId[];
      readonly bytes: Uint8Array;
    }
  /** The other side's value comes in force, if the record is still the one that it lost against. */
  | { readonly type: "journal.apply"; readonly generation: string; readonly key: string }
  | { readonly type: "journal.discard"; readonly generation: string; readonly key: string };

export type CommandType = Command["type"];

/** What travels in a Raft entry. */
export interface Envelope {
  readonly v: number;
  /** Leader's wall clock when it took the command in; the only time the reducer knows. */
  readonly at: number;
  /** Actor for audit and history: `operator`, `token:ID`, `agent:NODE`, `controller`. */
  readonly by: string;
  /**
   * Exactly-once window: the agent that took the request in, one number per request. All results up to
   * `acked` have been received. `boot` is new for every start of the agent.
   */
  readonly origin: {
    readonly agent: PeerId;
    readonly boot: string;
    readonly seq: number;
    readonly acked: number;
  } | null;
  /** Client's Idempotency-Key with a digest of the request it belongs to. */
  readonly idempotency: { readonly key: string; readonly digest: string } | null;
  readonly command: Command;
}

export type CommandCode =
  | "NOT_FOUND"
  | "VERSION_MISMATCH"
  | "ALREADY_EXISTS"
  | "ILLEGAL_MOVE"
  | "NODE_HELD"
  | "NODE_NOT_REACHABLE"
  | "TOKEN_INVALID"
  | "TOKEN_EXPIRED"
  | "TOKEN_USED"
  | "TOKEN_NAME"
  | "MEMBER_EVICTED"
  | "IDEMPOTENCY_MISMATCH"
  | "CONFLICT"
  | "INVALID"
  | "LIMIT"
  | "UNKNOWN_COMMAND";

/** What applying a command answers; `value` is data of the command's own (an id, a record, a version). */
export type CommandResult =
  | { readonly ok: true; readonly index: number; readonly value: Json }
  | {
      readonly ok: false;
      readonly index: number;
      readonly code: CommandCode;
      readonly message: string;
      readonly details: JsonObject;
    };
