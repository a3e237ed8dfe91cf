/** What an agent holds after a merge: what is in every place of the state, what waits in the journal, all events. */
import { type TestAgent } from "../support/agents.ts";
import { type JobBody, type NodeBody } from "../support/operate.ts";

export interface Conflict {
  readonly key: string;
  readonly state: string;
  readonly otherSide: unknown;
  readonly atMerge: unknown;
}

export interface EventBody {
  readonly index: number;
  readonly seq: number;
  readonly type: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Place (see record-writes.ts) → what is in it. */
export type Places = ReadonlyMap<string, unknown>;

export async function placesOf(agent: TestAgent): Promise<Places> {
  const places = new Map<string, unknown>();
  const { vars } = await agent.get<{ vars: Record<string, unknown> }>(
    "/v1/vars?consistency=linearizable",
  );
  for (const [key, value] of Object.entries(vars)) places.set(`var/${key}`, value);
  const roles = await items<{ name: string; vars: { mark?: string } }>(agent, "/v1/roles");
  for (const { name, vars: held } of roles) places.set(`role/${name}`, held.mark);
  for (const node of await items<NodeBody>(agent, "/v1/nodes?limit=1000")) {
    places.set(`member/${node.id}`, "admitted");
    for (const [key, value] of Object.entries(node.labels)) {
      places.set(`label/${node.name}#${key}`, value);
    }
    for (const [key, value] of Object.entries(node.vars)) {
      places.set(`spec/${node.name}#${key}`, value);
    }
  }
  const { settings } = await agent.get<{ settings: { survivor: { cold: string } } }>(
    "/v1/settings",
  );
  places.set("settings", inMs(settings.survivor.cold));
  const { source } = await agent.get<{ source: { ref: string | null } | null }>("/v1/config");
  places.set("config", source?.ref);
  const tokens = await items<{ id: string; name: string | null; revokedAt: string | null }>(
    agent,
    "/v1/tokens",
  );
  for (const { id, name, revokedAt } of tokens) {
    if (name !== null) places.set(`token/${name}`, name);
    if (revokedAt !== null) places.set(`revoked/${id}`, "revoked");
  }
  return places;
}

/** Jobs by id. */
export async function jobsOf(agent: TestAgent): Promise<ReadonlyMap<string, JobBody>> {
  const jobs = await items<JobBody>(agent, "/v1/jobs?limit=1000");
  return new Map(jobs.map((job) => [job.id, job]));
}

/** Every line of what the ledgers and the histories of `nodes` say. */
export async function pastOf(
  agent: TestAgent,
  nodes: readonly string[],
): Promise<ReadonlySet<string>> {
  const lines = new Set<string>();
  for (const node of nodes) {
    for (const run of await items<{ run: string; outcome: string }>(
      agent,
      `/v1/nodes/${node}/ledger?limit=1000`,
    )) {
      lines.add(`${node} run ${run.run} ${run.outcome}`);
    }
    // The index is where it is written in this history; a merge writes it anew.
    for (const { index: _index, ...line } of await items<{ index: number }>(
      agent,
      `/v1/nodes/${node}/history?limit=1000`,
    )) {
      lines.add(`${node} ${JSON.stringify(line)}`);
    }
  }
  return lines;
}

export async function conflictsOf(agent: TestAgent): Promise<readonly Conflict[]> {
  return items<Conflict>(agent, "/v1/operator/conflicts?limit=1000");
}

export async function eventsOf(agent: TestAgent): Promise<readonly EventBody[]> {
  const { status, text } = await agent.api("GET", "/v1/events", { timeoutMs: 60_000 });
  if (status !== 200) throw new Error(`GET /v1/events: ${status} ${text.slice(0, 200)}`);
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as EventBody);
}

/** All pages of a listing. */
async function items<T>(agent: TestAgent, route: string): Promise<readonly T[]> {
  const all: T[] = [];
  const link = route.includes("?") ? "&" : "?";
  for (let cursor: string | null = null; ; ) {
    const next: string = cursor === null ? route : `${route}${link}cursor=${cursor}`;
    const page = await agent.get<{ items: readonly T[]; next: string | null }>(next);
    all.push(...page.items);
    if (page.next === null) return all;
    cursor = page.next;
  }
}

/** `16m40s` */
function inMs(text: string): number {
  const unitMs: Readonly<Record<string, number>> = {
    d: 86_400_000,
    h: 3_600_000,
    m: 60_000,
    s: 1000,
  };
  const parts = text.matchAll(/(\d+)(d|h|m|s)/g);
  return [...parts].reduce((sum, [, n, unit]) => sum + Number(n) * (unitMs[unit ?? ""] ?? 0), 0);
}
