/**
 * The routes as plain data: method, path, who may, and whether the answer is a stream. It imports nothing, so
 * that the client loads in a millisecond; routes.ts adds the schemas to each row, and cannot miss one.
 */
export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
/** `reader` is enough to look, `admin` is needed to change; `none` needs no token. */
export type Access = "admin" | "reader" | "none";

export interface Endpoint {
  readonly method: Method;
  readonly path: string;
  readonly auth: Access;
  /** NDJSON, or server-sent events with `Accept: text/event-stream`. */
  readonly stream?: true;
}

export const endpoints = {
  getStatus: { method: "GET", path: "/v1/status", auth: "reader" },
  listMembers: { method: "GET", path: "/v1/members", auth: "reader" },
  listNodes: { method: "GET", path: "/v1/nodes", auth: "reader" },
  getNode: { method: "GET", path: "/v1/nodes/{name}", auth: "reader" },
  patchNode: { method: "PATCH", path: "/v1/nodes/{name}", auth: "admin" },
  forgetNode: { method: "DELETE", path: "/v1/nodes/{name}", auth: "admin" },
  getNodeLedger: { method: "GET", path: "/v1/nodes/{name}/ledger", auth: "reader" },
  getNodeHistory: { method: "GET", path: "/v1/nodes/{name}/history", auth: "reader" },
  createJob: { method: "POST", path: "/v1/jobs", auth: "admin" },
  listJobs: { method: "GET", path: "/v1/jobs", auth: "reader" },
  getJob: { method: "GET", path: "/v1/jobs/{id}", auth: "reader" },
  cancelJob: { method: "POST", path: "/v1/jobs/{id}/cancel", auth: "admin" },
  pauseJob: { method: "POST", path: "/v1/jobs/{id}/pause", auth: "admin" },
  resumeJob: { method: "POST", path: "/v1/jobs/{id}/resume", auth: "admin" },
  retryJob: { method: "POST", path: "/v1/jobs/{id}/retry", auth: "admin" },
  getJobLogs: { method: "GET", path: "/v1/jobs/{id}/logs", auth: "reader", stream: true },
  listVars: { method: "GET", path: "/v1/vars", auth: "reader" },
  patchVars: { method: "PATCH", path: "/v1/vars", auth: "admin" },
  getVar: { method: "GET", path: "/v1/vars/{key}", auth: "reader" },
  putVar: { method: "PUT", path: "/v1/vars/{key}", auth: "admin" },
  deleteVar: { method: "DELETE", path: "/v1/vars/{key}", auth: "admin" },
  getSettings: { method: "GET", path: "/v1/settings", auth: "reader" },
  patchSettings: { method: "PATCH", path: "/v1/settings", auth: "admin" },
  listRoles: { method: "GET", path: "/v1/roles", auth: "reader" },
  getRole: { method: "GET", path: "/v1/roles/{role}", auth: "reader" },
  putRole: { method: "PUT", path: "/v1/roles/{role}", auth: "admin" },
  deleteRole: { method: "DELETE", path: "/v1/roles/{role}", auth: "admin" },
  getConfig: { method: "GET", path: "/v1/config", auth: "reader" },
  putConfigSource: { method: "PUT", path: "/v1/config/source", auth: "admin" },
  refreshConfig: { method: "POST", path: "/v1/config/refresh", auth: "admin" },
  createToken: { method: "POST", path: "/v1/tokens", auth: "admin" },
  listTokens: { method: "GET", path: "/v1/tokens", auth: "admin" },
  revokeToken: { method: "DELETE", path: "/v1/tokens/{id}", auth: "admin" },
  getEvents: { method: "GET", path: "/v1/events", auth: "reader", stream: true },
  tellUserEvent: { method: "POST", path: "/v1/user-events", auth: "admin" },
  getUserEvents: { method: "GET", path: "/v1/user-events", auth: "reader", stream: true },
  whyNode: { method: "GET", path: "/v1/why/node/{name}", auth: "reader" },
  whyJob: { method: "GET", path: "/v1/why/job/{id}", auth: "reader" },
  getRaft: { method: "GET", path: "/v1/operator/raft", auth: "reader" },
  getKeys: { method: "GET", path: "/v1/operator/keys", auth: "reader" },
  rotateKeys: { method: "POST", path: "/v1/operator/rotate-keys", auth: "admin" },
  transferLeadership: { method: "POST", path: "/v1/operator/transfer", auth: "admin" },
  recover: { method: "POST", path: "/v1/operator/recover", auth: "admin" },
  listConflicts: { method: "GET", path: "/v1/operator/conflicts", auth: "reader" },
  getConflict: { method: "GET", path: "/v1/operator/conflicts/{id}", auth: "reader" },
  applyConflict: { method: "POST", path: "/v1/operator/conflicts/{id}/apply", auth: "admin" },
  discardConflict: { method: "POST", path: "/v1/operator/conflicts/{id}/discard", auth: "admin" },
  getMetrics: { method: "GET", path: "/metrics", auth: "reader" },
  getHealth: { method: "GET", path: "/healthz", auth: "none" },
  getReady: { method: "GET", path: "/readyz", auth: "none" },
  getOpenapi: { method: "GET", path: "/openapi.json", auth: "none" },
} as const satisfies Readonly<Record<string, Endpoint>>;

export type RouteName = keyof typeof endpoints;
export type StreamName = {
  [Name in RouteName]: (typeof endpoints)[Name] extends { readonly stream: true } ? Name : never;
}[RouteName];

type ParamNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | ParamNames<Rest>
  : never;
/** Path parameters of a route, by name. */
export type ParamsOf<Name extends RouteName> = {
  readonly [Param in ParamNames<(typeof endpoints)[Name]["path"]>]: string;
};
