/**
 * The API in one table. Each row adds to its endpoint what goes in, what comes out and what can go wrong; server,
 * client, CLI and the OpenAPI document are made from it.
 */
import { Type, type TObject, type TSchema } from "typebox";
import * as cluster from "./cluster.ts";
import { type ApiCode } from "./codes.ts";
import * as config from "./config.ts";
import { type ParamsOf, type RouteName, type StreamName } from "./endpoints.ts";
import * as events from "./events.ts";
import * as jobs from "./jobs.ts";
import * as keys from "./keys.ts";
import * as lineage from "./lineage.ts";
import * as nodes from "./nodes.ts";
import * as tokens from "./tokens.ts";
import * as userEvents from "./user-events.ts";
import * as variables from "./variables.ts";
import { type Wire } from "./wire.ts";

export interface Route {
  readonly summary: string;
  readonly query?: TObject;
  readonly body?: TSchema;
  /** The body may be left out, which means `{}`. */
  readonly bodyOptional?: true;
  /** Status of the answer when all went well. */
  readonly status: 200 | 201 | 202 | 204;
  /** Schema of the answer (of one line, for a stream); null when it has no JSON body. */
  readonly response: TSchema | null;
  /** A second kind of success, by status. */
  readonly otherwise?: { readonly status: 200 | 202; readonly response: TSchema };
  /** Codes beyond those of every route (problems.ts `everywhere`). */
  readonly errors: readonly ApiCode[];
  /** `If-Match` and `If-None-Match: *` are honoured; elsewhere they are refused. */
  readonly conditional?: true;
}

const write = ["NO_LEADER", "READ_ONLY", "UNKNOWN_OUTCOME", "IDEMPOTENCY_MISMATCH"] as const;
const change = [
  ...write,
  "NOT_FOUND",
  "VERSION_MISMATCH",
  "GENERATION_SUPERSEDED",
  "INVALID",
  "LIMIT",
] as const;
const conflict = [
  ...write,
  "NOT_FOUND",
  "AMBIGUOUS",
  "ILLEGAL_MOVE",
  "CONFLICT",
  "INVALID",
] as const;
const jobMove = [...change, "AMBIGUOUS", "ILLEGAL_MOVE", "CONFLICT"] as const;

export const routes = {
  getStatus: row("Cluster health as this agent sees it", cluster.statusSchema),
  listMembers: {
    ...row("Gossip's view of this agent, or of another", cluster.membersSchema, [
      "NOT_FOUND",
      "NODE_NOT_REACHABLE",
      "UNSUPPORTED",
    ]),
    query: cluster.listMembersQuery,
  },
  listNodes: {
    ...row("Nodes by name", nodes.nodesSchema, ["INVALID_SELECTOR", "EMPTY_SELECTOR"]),
    query: nodes.listNodesQuery,
  },
  getNode: row("One node", nodes.nodeSchema, ["NOT_FOUND"]),
  patchNode: {
    ...row("Merge patch of labels, roles and vars", nodes.nodeSchema, change),
    body: nodes.patchNodeRequest,
    conditional: true,
  },
  forgetNode: {
    ...empty("Forget a decommissioned node and evict its agent", [
      ...change,
      "ILLEGAL_MOVE",
      "NODE_HELD",
    ]),
    query: nodes.forgetNodeQuery,
    conditional: true,
  },
  getNodeLedger: {
    ...row("What was applied to the node, newest first", nodes.ledgerSchema, ["NOT_FOUND"]),
    query: nodes.pastQuery,
  },
  getNodeHistory: {
    ...row("Changes of phase and reachability, newest first", nodes.historySchema, ["NOT_FOUND"]),
    query: nodes.pastQuery,
  },
  createJob: {
    ...row("Start a job; dryRun answers 200 with the plan", jobs.jobSchema, [
      ...change,
      "PRECHECK_FAILED",
      "INVALID_SELECTOR",
      "EMPTY_SELECTOR",
      "ROLE_UNKNOWN",
      "ROLE_CYCLE",
      "REVISION_UNKNOWN",
      "CONFLICT",
      "ALREADY_EXISTS",
      "ILLEGAL_MOVE",
    ]),
    body: jobs.createJobRequest,
    status: 202,
    otherwise: { status: 200, response: jobs.jobPlanSchema },
  },
  listJobs: { ...row("Jobs, newest first", jobs.jobsSchema), query: jobs.listJobsQuery },
  getJob: row("One job: id, unique prefix, active or last", jobs.jobSchema, [
    "NOT_FOUND",
    "AMBIGUOUS",
  ]),
  cancelJob: jobVerb("Cancel: running actions are stopped, the rest is left alone"),
  pauseJob: jobVerb("Begin no further wave"),
  resumeJob: jobVerb("Go on after a pause"),
  retryJob: jobVerb("Do again what failed"),
  getJobLogs: {
    ...row("Log lines of a job, whole from the start", jobs.logLineSchema, [
      "NOT_FOUND",
      "AMBIGUOUS",
    ]),
    query: jobs.jobLogsQuery,
  },
  listVars: row("Global vars", variables.varsSchema),
  patchVars: {
    ...row("Merge patch of global vars, atomic", variables.varsSchema, [
      ...write,
      "INVALID",
      "LIMIT",
    ]),
    body: variables.patchVarsRequest,
  },
  getVar: row("One global var", variables.varSchema, ["NOT_FOUND"]),
  putVar: {
    ...row("Set a global var", variables.varSchema, change),
    body: variables.putVarRequest,
    conditional: true,
  },
  deleteVar: { ...empty("Remove a global var", change), conditional: true },
  getSettings: row("Settings of the manager", variables.settingsSchema),
  patchSettings: {
    ...row("Merge patch of the settings", variables.settingsSchema, change),
    body: variables.patchSettingsRequest,
    conditional: true,
  },
  listRoles: row("Roles: defined by the revision or set by the operator", variables.rolesSchema),
  getRole: row("One role", variables.roleSchema, ["NOT_FOUND"]),
  putRole: {
    ...row("Set the vars of a role", variables.roleSchema, change),
    body: variables.putRoleRequest,
    conditional: true,
  },
  deleteRole: {
    ...empty("Remove what the operator set for a role", [...change, "CONFLICT"]),
    conditional: true,
  },
  getConfig: row("Configuration repository and revision in force", config.configSchema),
  putConfigSource: {
    ...row("Set the configuration repository", config.configSchema, change),
    body: config.putSourceRequest,
    conditional: true,
  },
  refreshConfig: {
    ...row("Fetch now; answers the new state, or 202 when it takes longer", config.configSchema, [
      ...write,
      "CONFLICT",
      "INVALID",
      "NOT_FOUND",
    ]),
    otherwise: { status: 202, response: config.configSchema },
  },
  createToken: {
    ...row("Create a join or API token", tokens.createdTokenSchema, [
      ...write,
      "INVALID",
      "LIMIT",
      "ALREADY_EXISTS",
      "TOKEN_SHOWN",
    ]),
    body: tokens.createTokenRequest,
    status: 201,
  },
  listTokens: row("Tokens, without their secrets", tokens.tokensSchema),
  revokeToken: { ...empty("Revoke a token", change), conditional: true },
  getEvents: {
    ...row("Events, ordered by Raft index", events.eventSchema, [
      "EVENTS_TRIMMED",
      "GENERATION_SUPERSEDED",
    ]),
    query: events.eventsQuery,
  },
  tellUserEvent: {
    ...row("Tell all agents by gossip; needs no leader", userEvents.userEventSchema, [
      "NO_CLUSTER",
      "TOO_LARGE",
      "TOO_MANY_REQUESTS",
    ]),
    body: userEvents.tellUserEventRequest,
    status: 202,
  },
  getUserEvents: {
    ...row("The last user events that this agent heard", userEvents.userEventSchema, [
      "NO_CLUSTER",
      "EVENTS_TRIMMED",
    ]),
    query: userEvents.userEventsQuery,
  },
  whyNode: row("What a node waits for", events.whyNodeSchema, ["NOT_FOUND"]),
  whyJob: row("What a job waits for", events.whyJobSchema, ["NOT_FOUND", "AMBIGUOUS"]),
  getRaft: { ...row("Raft state of this agent", cluster.raftSchema), query: cluster.raftQuery },
  getKeys: row("Keys of gossip's datagrams, and how far a rotation is", keys.keysSchema),
  rotateKeys: {
    ...row("Begin to rotate the keys of gossip's datagrams", keys.keysSchema, [
      ...write,
      "CONFLICT",
      "INVALID",
    ]),
    status: 202,
  },
  transferLeadership: {
    ...row("Hand leadership to another voter", cluster.transferSchema, [
      "NO_LEADER",
      "NOT_FOUND",
      "CONFLICT",
      "DEADLINE",
    ]),
    body: cluster.transferRequest,
    bodyOptional: true,
  },
  recover: {
    ...row(
      "Plan a new generation without the missing voters, or confirm a plan",
      lineage.recoverSchema,
      [...write, "NO_CLUSTER", "PLAN_CHANGED", "CONFLICT", "DEADLINE"],
    ),
    body: lineage.recoverRequest,
  },
  listConflicts: {
    ...row("What merges of generations could not keep", lineage.conflictsSchema),
    query: lineage.conflictsQuery,
  },
  getConflict: row("One conflict: id or unique prefix", lineage.conflictSchema, [
    "NOT_FOUND",
    "AMBIGUOUS",
  ]),
  applyConflict: row("Bring the other side's value in force", lineage.conflictSchema, conflict),
  discardConflict: row("Leave it at the value in force", lineage.conflictSchema, conflict),
  getMetrics: empty("Prometheus metrics", [], 200),
  getHealth: row("The process is up", cluster.probeSchema),
  getReady: row("This agent can serve linearizable reads", cluster.probeSchema, ["NOT_READY"]),
  getOpenapi: row("This document", Type.Record(Type.String(), Type.Unknown())),
} as const satisfies Readonly<Record<RouteName, Route>>;

function row<S extends TSchema, const E extends readonly ApiCode[] = readonly []>(
  summary: string,
  response: S,
  errors?: E,
) {
  return { summary, response, status: 200, errors: errors ?? [] } as const;
}

function empty<const E extends readonly ApiCode[]>(
  summary: string,
  errors: E,
  status: 200 | 204 = 204,
) {
  return { summary, response: null, status, errors } as const;
}

function jobVerb(summary: string) {
  return { ...row(summary, jobs.jobSchema, jobMove), conditional: true } as const;
}

type Routes = typeof routes;
type SchemaOf<Row, Key extends string> = Row extends {
  readonly [K in Key]: infer S extends TSchema;
}
  ? Wire<S>
  : undefined;

export type QueryOf<Name extends RouteName> = SchemaOf<Routes[Name], "query">;
export type BodyOf<Name extends RouteName> = SchemaOf<Routes[Name], "body">;
/** What a route answers (one line of it, for a stream). */
export type AnswerOf<Name extends RouteName> =
  | SchemaOf<Routes[Name], "response">
  | (Routes[Name] extends { readonly otherwise: { readonly response: infer S extends TSchema } }
      ? Wire<S>
      : never);
export type { ParamsOf, RouteName, StreamName };
