/** Shapes of whole records: what a record of another history must look like before it is read at all. */
import { type CommandResult } from "./commands.ts";
import { keyringRecord } from "./keyring.ts";
import { type ExportedPrefix } from "./keys.ts";
import { deletedRecord, generationRecord, journalRecord, mergeRecord } from "./lineage-shapes.ts";
import {
  condition,
  currentRun,
  facts,
  finishedRun,
  finishedRunFields,
  jsonObject,
  manifest,
  peerId,
  phase,
  settings,
  strategy,
  texts,
} from "./record-shapes.ts";
import { type IdempotencyRecord, type RecordTypes, type SessionRecord } from "./record-types.ts";
import { type Condition } from "./conditions.ts";
import {
  type ClusterRecord,
  type ConfigRecord,
  type EventRecord,
  type HistoryRecord,
  type JobNode,
  type JobRecord,
  type LedgerRecord,
  type MemberRecord,
  type NodeLabelsRecord,
  type NodeRecord,
  type NodeSpecRecord,
  type RevisionRecord,
  type RoleRecord,
  type SettingsRecord,
  type TokenRecord,
  type VarRecord,
  jobActions,
  reachabilities,
} from "./records.ts";
import {
  type Shape,
  dictionary,
  either,
  flag,
  integer,
  json,
  list,
  natural,
  nullable,
  object,
  oneOf,
  text,
} from "./shape.ts";

const version = natural;
const is =
  <T extends boolean>(wanted: T): Shape<T> =>
  (value, path) =>
    value === wanted ? null : `${path} is not ${String(wanted)}`;

const result: Shape<CommandResult> = either(
  object<Extract<CommandResult, { readonly ok: true }>>({
    ok: is(true),
    index: natural,
    value: json,
  }),
  object<Extract<CommandResult, { readonly ok: false }>>({
    ok: is(false),
    index: natural,
    // Codes of a newer version are answers too.
    code: text as unknown as Shape<Extract<CommandResult, { readonly ok: false }>["code"]>,
    message: text,
    details: jsonObject,
  }),
);

const nodeCondition: Shape<Condition> = (value, path) =>
  condition(value, path) ?? object<Pick<Condition, "since">>({ since: natural })(value, path);

const node = object<NodeRecord>({
  name: text,
  id: peerId,
  phase,
  reachability: oneOf(...reachabilities),
  reachabilitySince: natural,
  address: text,
  facts: nullable(facts),
  revision: nullable(text),
  appliedRoles: texts,
  conditions: list(nodeCondition),
  job: nullable(text),
  lastJob: nullable(text),
  discoveredAt: natural,
  version,
});

const history = object<HistoryRecord>({
  at: natural,
  index: natural,
  kind: oneOf("phase", "reachability", "spec", "labels", "address", "discovered"),
  from: nullable(text),
  to: text,
  by: text,
  reason: text,
  job: nullable(text),
  version,
});

const token = object<TokenRecord>({
  id: text,
  kind: oneOf("join", "api"),
  verifier: text,
  role: nullable(oneOf("admin", "reader")),
  name: nullable(text),
  usesLeft: nullable(natural),
  createdAt: natural,
  createdBy: text,
  expiresAt: nullable(natural),
  revokedAt: nullable(natural),
  usedBy: texts,
  version,
});

const config = object<ConfigRecord>({
  source: nullable(object<NonNullable<ConfigRecord["source"]>>({ url: text, ref: nullable(text) })),
  sourceVersion: natural,
  current: nullable(text),
  lastError: nullable(
    object<NonNullable<ConfigRecord["lastError"]>>({ code: text, message: text, at: natural }),
  ),
  refreshRequested: natural,
  refreshDone: natural,
  version,
});

const jobNode = object<JobNode>({
  status: oneOf(
    "pending",
    "running",
    "succeeded",
    "failed",
    "cancelled",
    "rolled-back",
    "skipped",
    "lost",
  ),
  wave: natural,
  roles: texts,
  fromPhase: nullable(phase),
  current: nullable(currentRun),
  runs: list(finishedRun),
  attempt: natural,
  step: nullable(text),
  exitCode: nullable(integer),
  startedAt: nullable(natural),
  endedAt: nullable(natural),
  message: text,
});

const job = object<JobRecord>({
  id: text,
  action: oneOf(...jobActions),
  reason: text,
  createdBy: text,
  createdAt: natural,
  startedAt: nullable(natural),
  endedAt: nullable(natural),
  status: oneOf("queued", "running", "paused", "succeeded", "failed", "cancelled", "rolled-back"),
  strategy,
  revision: nullable(text),
  force: flag,
  roles: nullable(texts),
  vars: jsonObject,
  targets: texts,
  waves: list(texts),
  nodes: dictionary(jobNode),
  cancelRequested: flag,
  resumedAt: nullable(natural),
  version,
});

const ledger = object<LedgerRecord>({
  ...finishedRunFields,
  node: text,
  job: text,
  index: natural,
  vars: jsonObject,
  varsDigest: text,
  transcripts: list(peerId),
  version,
});

const event = object<EventRecord>({
  index: natural,
  seq: natural,
  at: natural,
  type: text,
  subject: text,
  message: text,
  by: text,
  data: jsonObject,
});

/** By prefix. Pages that wait are no part of any history, so they are never taken from one. */
export const storedShapes: { readonly [P in ExportedPrefix]: Shape<RecordTypes[P]> } = {
  cluster: object<ClusterRecord>({
    id: text,
    name: text,
    createdAt: natural,
    user: nullable(text),
    version,
  }),
  node,
  spec: object<NodeSpecRecord>({ roles: texts, vars: jsonObject, version }),
  label: object<NodeLabelsRecord>({
    labels: dictionary(text),
    stamps: dictionary(natural),
    version,
  }),
  history,
  member: object<MemberRecord>({
    id: peerId,
    node: text,
    status: oneOf("admitted", "evicted"),
    address: text,
    admittedAt: natural,
    token: nullable(text),
    version,
  }),
  token,
  var: object<VarRecord>({ key: text, value: json, version }),
  role: object<RoleRecord>({ name: text, vars: jsonObject, version }),
  settings: object<SettingsRecord>({ settings, version }),
  keyring: keyringRecord,
  config,
  revision: object<RevisionRecord>({
    commit: text,
    bundle: text,
    bundleBytes: natural,
    manifest,
    fetchedAt: natural,
    fetchedBy: peerId,
    version,
  }),
  job,
  ledger,
  event: list(event),
  idem: object<IdempotencyRecord>({ digest: text, at: natural, result, version }),
  session: object<SessionRecord>({
    boot: text,
    // An answered request with number 0 leaves the floor below it.
    floor: integer,
    results: list(object<SessionRecord["results"][0]>({ seq: natural, result })),
    version,
  }),
  deleted: deletedRecord,
  generation: generationRecord,
  merge: mergeRecord,
  journal: journalRecord,
};
