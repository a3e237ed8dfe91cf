/** What tests do as operators, over the HTTP API of one agent. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { type TestAgent } from "./agents.ts";
import { type HttpAnswer } from "./http.ts";
import { until } from "./until.ts";

export interface JobBody {
  readonly id: string;
  readonly action: string;
  readonly status: string;
  readonly endedAt: string | null;
  readonly blockedBy: readonly string[];
  readonly nodes: Readonly<
    Record<
      string,
      {
        readonly status: string;
        readonly step: string | null;
        readonly exitCode: number | null;
        readonly message: string;
      }
    >
  >;
}

export interface NodeBody {
  readonly name: string;
  /** Peer id of its agent. */
  readonly id: string;
  readonly phase: string;
  readonly reachability: string;
  readonly roles: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly vars: Readonly<Record<string, unknown>>;
  readonly facts: Readonly<Record<string, unknown>> | null;
  readonly revision: string | null;
  readonly conditions: readonly {
    readonly type: string;
    readonly status: string;
    readonly message: string;
  }[];
  readonly job: string | null;
  readonly history: readonly {
    readonly kind: string;
    readonly from: string | null;
    readonly to: string;
  }[];
  readonly version: number;
}

export interface LedgerBody {
  readonly run: string;
  readonly action: string;
  readonly outcome: string;
  readonly role: string;
}

/** Tries again while the cluster has no leader or the agent asked was killed: with one idempotency key. */
export async function createJob(agent: () => TestAgent, body: object): Promise<JobBody> {
  const key = `test-${Math.random()}`;
  return until({ what: `job is created: ${JSON.stringify(body)}` }, async () => {
    const answer = await agent().api("POST", "/v1/jobs", {
      body,
      headers: { "idempotency-key": key },
    });
    if (answer.status === 202) return answer.json as JobBody;
    throw new Error(`${answer.status} ${answer.text}`);
  });
}

export async function jobEnded(
  agent: () => TestAgent,
  id: string,
  deadlineMs = 90_000,
): Promise<JobBody> {
  return until({ what: `job ${id} ends`, deadlineMs }, async () => {
    const job = await agent().get<JobBody>(`/v1/jobs/${id}`);
    return job.endedAt === null ? null : job;
  });
}

export async function runJob(agent: () => TestAgent, body: object): Promise<JobBody> {
  const job = await createJob(agent, body);
  return jobEnded(agent, job.id);
}

export async function node(agent: TestAgent, name: string): Promise<NodeBody> {
  return agent.get<NodeBody>(`/v1/nodes/${name}`);
}

export async function nodes(agent: TestAgent): Promise<readonly NodeBody[]> {
  return (await agent.get<{ items: readonly NodeBody[] }>("/v1/nodes?limit=1000")).items;
}

export async function ledger(agent: TestAgent, name: string): Promise<readonly LedgerBody[]> {
  return (await agent.get<{ items: readonly LedgerBody[] }>(`/v1/nodes/${name}/ledger`)).items;
}

export async function setVars(agent: TestAgent, vars: object): Promise<HttpAnswer> {
  const headers = { "content-type": "application/merge-patch+json" };
  const answer = await agent.api("PATCH", "/v1/vars", { body: vars, headers });
  if (answer.status !== 200) throw new Error(`PATCH /v1/vars: ${answer.status} ${answer.text}`);
  return answer;
}

export async function patchNode(
  agent: TestAgent,
  name: string,
  patch: object,
): Promise<HttpAnswer> {
  const headers = { "content-type": "application/merge-patch+json" };
  return agent.api("PATCH", `/v1/nodes/${name}`, { body: patch, headers });
}

/** The log lines of a job as one agent gives them. */
export async function logs(agent: TestAgent, job: string, query = ""): Promise<readonly LogLine[]> {
  const answer = await agent.api("GET", `/v1/jobs/${job}/logs${query}`, { timeoutMs: 60_000 });
  if (answer.status !== 200) throw new Error(`logs: ${answer.status} ${answer.text}`);
  return answer.text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LogLine);
}

export interface LogLine {
  readonly node: string;
  readonly run: string;
  readonly offset: number;
  readonly text: string;
}

/** `node role action` of every start of an action so far, in order. */
export function startedActions(root: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(path.join(root, "runs.log"), "utf8");
  } catch {
    return [];
  }
  return text
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" ").slice(1).join(" "));
}

export function code(answer: HttpAnswer): string {
  const body = answer.json;
  return typeof body === "object" && body !== null && "code" in body ? String(body.code) : "";
}

/** The config repository is fetched, and this agent knows its revision. */
export async function configured(agent: TestAgent): Promise<void> {
  await until({ what: `${agent.name} knows a revision` }, async () => {
    const config = await agent.get<{ revision: object | null }>("/v1/config");
    return config.revision !== null;
  });
}

/** Brings every node back to discovered. */
export async function cleanAll(agent: () => TestAgent): Promise<void> {
  const used = (await nodes(agent())).filter((one) => one.phase !== "discovered");
  if (used.length === 0) return;
  const job = await runJob(agent, { action: "cleanup", nodes: used.map((one) => one.name) });
  if (job.status !== "succeeded") throw new Error(`clean-up failed: ${JSON.stringify(job.nodes)}`);
}
