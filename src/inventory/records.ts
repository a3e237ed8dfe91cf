/**
 * What the cluster remembers. Every record lives under one key (`prefix/…`, see keys.ts), is replaced whole,
 * never mutated, and carries `version`: the Raft index of the command that wrote it last. Times are
 * milliseconds since the Unix epoch as the leader stamped them; the API turns them into RFC 3339.
 */
import { type Json, type JsonObject } from "../base/json.ts";
import { type PeerId } from "../base/ids.ts";
import { type SurvivorSettings } from "./survivor-settings.ts";
import { type Condition } from "./conditions.ts";

export const phases = [
  "discovered",
  "commissioning",
  "commissioned",
  "upgrading",
  "decommissioning",
  "decommissioned",
  "failed",
] as const;
export type Phase = (typeof phases)[number];

export const reachabilities = ["reachable", "unreachable", "left"] as const;
export type Reachability = (typeof reachabilities)[number];

/** What an agent found on its machine. Sizes in bytes. */
export interface Facts {
  readonly hostname: string;
  readonly os: string;
  readonly osVersion: string;
  readonly kernel: string;
  readonly arch: string;
  readonly bootId: string;
  readonly serial: string;
  readonly machineId: string;
  readonly cpu: { readonly model: string; readonly count: number };
  readonly memory: { readonly totalBytes: number };
  readonly disks: readonly {
    readonly name: string;
    readonly sizeBytes: number;
    readonly rotational: boolean;
  }[];
  readonly filesystems: readonly {
    readonly mount: string;
    readonly type: string;
    readonly sizeBytes: number;
  }[];
  readonly nics: readonly {
    readonly name: string;
    readonly mac: string;
    readonly addresses: readonly string[];
  }[];
  readonly virtualization: string;
  readonly agentVersion: string;
  readonly pythonPath: string | null;
}

/** `node/NAME`: what is observed of a machine, and where it is in its life. Class N (node-owned). */
export interface NodeRecord {
  readonly name: string;
  readonly id: PeerId;
  readonly phase: Phase;
  readonly reachability: Reachability;
  readonly reachabilitySince: number;
  readonly address: string;
  readonly facts: Facts | null;
  /** Commit of the config repository that was last applied with success; null when nothing is applied. */
  readonly revision: string | null;
  /** Roles whose configuration is (or may be) on the machine: what a cleanup has to take away. */
  readonly appliedRoles: readonly string[];
  readonly conditions: readonly Condition[];
  /** Job that holds this node now; null when free. */
  readonly job: string | null;
  readonly lastJob: string | null;
  readonly discoveredAt: number;
  readonly version: number;
}

/** `spec/NAME`: what the operator wants of a node. Class G. */
export interface NodeSpecRecord {
  readonly roles: readonly string[];
  readonly vars: JsonObject;
  readonly version: number;
}

/** `label/NAME`: the operator's labels of a node. Class C. */
export interface NodeLabelsRecord {
  readonly labels: Readonly<Record<string, string>>;
  /** Index of the last change of each key, removed ones too: a merge goes key by key. */
  readonly stamps: Readonly<Record<string, number>>;
  readonly version: number;
}

/** `history/NAME/INDEX`: one change of phase or reachability, and who made it why. Class A. */
export interface HistoryRecord {
  readonly at: number;
  readonly index: number;
  readonly kind: "phase" | "reachability" | "spec" | "labels" | "address" | "discovered";
  readonly from: string | null;
  readonly to: string;
  readonly by: string;
  readonly reason: string;
  readonly job: string | null;
  readonly version: number;
}

/** `member/PEERID`: an agent that was admitted, or evicted for ever. Class S: eviction wins. */
export interface MemberRecord {
  readonly id: PeerId;
  readonly node: string;
  readonly status: "admitted" | "evicted";
  readonly address: string;
  readonly admittedAt: number;
  readonly token: string | null;
  readonly version: number;
}

/** `token/ID`: a join or API token. The secret itself is never stored, only SHA-256 of it. Class S. */
export interface TokenRecord {
  readonly id: string;
  readonly kind: "join" | "api";
  /** SHA-256 of the secret, hex: it authenticates a join as HMAC key, an API call by comparison. */
  readonly verifier: string;
  readonly role: "admin" | "reader" | null;
  /** Node name a join token is bound to; null when any. */
  readonly name: string | null;
  readonly usesLeft: number | null;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly usedBy: readonly string[];
  readonly version: number;
}

/** `cluster`: written once, by bootstrap. Class G. */
export interface ClusterRecord {
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
  /** SSH and Ansible user for hosts without an agent (`--user`). */
  readonly user: string | null;
  readonly version: number;
}

/** `var/KEY`: one global configuration variable. Class G. */
export interface VarRecord {
  readonly key: string;
  readonly value: Json;
  readonly version: number;
}

/** `role/NAME`: what the operator set for a role, beside what the revision defines. Class G. */
export interface RoleRecord {
  readonly name: string;
  readonly vars: JsonObject;
  readonly version: number;
}

/** `settings`: behaviour of the manager itself. Class G. */
export interface Settings {
  readonly autoCommission: { readonly selector: string; readonly roles: readonly string[] } | null;
  readonly repair: "off" | "report" | "auto";
  /** Absent where nobody changed it yet: the defaults hold. */
  readonly survivor?: SurvivorSettings;
}
export interface SettingsRecord {
  readonly settings: Settings;
  readonly version: number;
}
export const defaultSettings: Settings = { autoCommission: null, repair: "report" };

/** `config`: where configuration comes from, and which revision is in force. Class G. */
export interface ConfigRecord {
  readonly source: { readonly url: string; readonly ref: string | null } | null;
  /** Index at which the source was set: every fetch writes the record, only an operator its source. */
  readonly sourceVersion: number;
  /** Commit in force; its record is `revision/COMMIT`. */
  readonly current: string | null;
  readonly lastError: {
    readonly code: string;
    readonly message: string;
    readonly at: number;
  } | null;
  /** Raised by every refresh request, so that the leader fetches again. */
  readonly refreshRequested: number;
  readonly refreshDone: number;
  readonly version: number;
}

export type ActionName = "configure" | "verify" | "cleanup" | "upgrade";

/** One executable step of a role, as the manifest gives it, with defaults filled in. */
export interface RoleAction {
  /** Path inside the repository, relative, without `..`. */
  readonly path: string;
  readonly timeoutMs: number;
}
export interface RoleSpec {
  readonly name: string;
  readonly runner: "script";
  readonly requires: readonly string[];
  readonly actions: Readonly<Partial<Record<ActionName, RoleAction>>>;
  /** Names of vars that are masked in transcripts, logs and answers. */
  readonly secrets: readonly string[];
}
/** A checked muster.yaml. */
export interface Manifest {
  readonly vars: JsonObject;
  readonly roles: Readonly<Record<string, RoleSpec>>;
}

/** `revision/COMMIT`: a commit of the config repository, packed as a bundle. Class A. */
export interface RevisionRecord {
  readonly commit: string;
  /** SHA-256 of the bundle, hex, and its size. */
  readonly bundle: string;
  readonly bundleBytes: number;
  readonly manifest: Manifest;
  readonly fetchedAt: number;
  /** Peer that packed it, where the first copy is. */
  readonly fetchedBy: PeerId;
  readonly version: number;
}

export const jobActions = ["commission", "decommission", "upgrade", "verify", "cleanup"] as const;
export type JobAction = (typeof jobActions)[number];
export type JobEnd = "succeeded" | "failed" | "cancelled" | "rolled-back";
export type JobStatus = "queued" | "running" | "paused" | JobEnd;
export type JobNodeStatus = "pending" | "running" | JobEnd | "skipped" | "lost";

/** How a job goes through its nodes. Counts are numbers or percent texts (`"25%"`). */
export interface Strategy {
  readonly batch: number | string;
  readonly canary: number | string | null;
  readonly maxFailures: number;
  readonly onFailure: "continue" | "pause";
}
export const defaultStrategy: Strategy = {
  batch: "100%",
  canary: null,
  maxFailures: 0,
  onFailure: "continue",
};

export type RunOutcome = "succeeded" | "drifted" | "failed" | "timed-out" | "cancelled" | "lost";

/** One action of one role on one node: `JOB/NODE/ROLE/ACTION/ATTEMPT` names it for ever. */
export interface RunRef {
  readonly id: string;
  readonly role: string;
  readonly action: ActionName;
  readonly attempt: number;
}
export interface CurrentRun extends RunRef {
  /** Commit whose bundle it uses. */
  readonly revision: string;
  readonly begunAt: number;
  readonly timeoutMs: number;
}
/** A run that ended, in the job that asked for it. */
export interface FinishedRun extends RunRef {
  readonly revision: string;
  readonly outcome: RunOutcome;
  readonly exitCode: number | null;
  readonly signal: number | null;
  readonly startedAt: number;
  readonly endedAt: number;
  /** What drifted (verify), or why it failed: one or a few lines, at most 4 KiB. */
  readonly message: string;
}

export interface JobNode {
  readonly status: JobNodeStatus;
  readonly wave: number;
  /** Roles this job works on for this node, dependencies first; frozen when the node begins. */
  readonly roles: readonly string[];
  readonly fromPhase: Phase | null;
  readonly current: CurrentRun | null;
  readonly runs: readonly FinishedRun[];
  /** Which round of work this is: 1, and one more for every retry. */
  readonly attempt: number;
  readonly step: string | null;
  readonly exitCode: number | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly message: string;
}

/** `job/ID`: a long-running operation on a frozen set of nodes. Class G. */
export interface JobRecord {
  readonly id: string;
  readonly action: JobAction;
  readonly reason: string;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly status: JobStatus;
  readonly strategy: Strategy;
  /** Commit this job applies; null when none is needed (cleanup of nothing). */
  readonly revision: string | null;
  readonly force: boolean;
  /** Roles named by the operator; null means those assigned to each node. */
  readonly roles: readonly string[] | null;
  /** Vars of this job only: the highest level. */
  readonly vars: JsonObject;
  readonly targets: readonly string[];
  readonly waves: readonly (readonly string[])[];
  readonly nodes: Readonly<Record<string, JobNode>>;
  readonly cancelRequested: boolean;
  /** When it was last resumed or retried: earlier failures do not count for `maxFailures`. */
  readonly resumedAt: number | null;
  readonly version: number;
}

/** `ledger/NODE/RUN`: what was applied to a node. Class A. */
export interface LedgerRecord extends FinishedRun {
  readonly node: string;
  readonly job: string;
  /** Raft index of the entry that recorded the run: the order of the ledger. */
  readonly index: number;
  /** Resolved vars the action was given; secrets among them stay inside the inventory. */
  readonly vars: JsonObject;
  readonly varsDigest: string;
  /** Peers that hold the transcript. */
  readonly transcripts: readonly PeerId[];
  readonly version: number;
}

/** One line of `muster events`. `index` is the Raft index, `seq` orders events of one entry. */
export interface EventRecord {
  readonly index: number;
  readonly seq: number;
  readonly at: number;
  readonly type: string;
  readonly subject: string;
  readonly message: string;
  readonly by: string;
  readonly data: JsonObject;
}
