/**
 * Jobs (G, but each node's work counts as its side tells it). Ids are unique, so a job that only they know is added.
 * One that was active there goes on when all its targets were on their side; else what is left of it ends
 * `cancelled`, with a message: two sides must not finish one piece of work in two ways.
 */
import { type Json } from "../../base/json.ts";
import { type Draft } from "../draft.ts";
import { isEnded, jobNode } from "../job-nodes.ts";
import { recordRun } from "../ledger.ts";
import { type FinishedRun, type JobNode, type JobRecord, type JobStatus } from "../records.ts";
import { isActive } from "../state.ts";
import { type Merging, bare } from "./merging.ts";

export function mergeJobs(merging: Merging): void {
  for (const job of merging.other.records.job.values()) mergeJob(merging, job);
}

function mergeJob(merging: Merging, given: JobRecord): void {
  const { draft } = merging;
  const ours = draft.view.job(given.id);
  const key = `job/${given.id}`;
  const held = { value: bare(ours), version: ours?.version ?? 0 };
  const isMixed = merging.isMixed(key, held);
  const judged = merging.judge(key, { value: bare(given), version: given.version }, held);
  // What was put together, or ended, by an earlier merge is not theirs to replace.
  const verdict = judged === "take" && isMixed ? "both" : judged;
  if (verdict === "same" || verdict === "known" || verdict === "older") return;
  const theirs = renamed(merging, given);
  if (ours === null || verdict === "take" || !sameTargets(ours, theirs)) {
    if (ours !== null && verdict === "both") return journal(merging, ours, theirs);
    putJob(draft, mayGoOn(merging, theirs) ? theirs : cancelRest(draft, theirs, crossing));
    merging.counts.applied += 1;
    return;
  }
  putJob(draft, combined(merging, ours, theirs));
  journal(merging, ours, theirs);
}

const crossing = "ended by the merge: it also has nodes that were not on the side where it ran";
const superseded = "ended by the merge: the job had ended on the other side";

function putJob(draft: Draft, job: JobRecord): void {
  draft.put("job", job.id, job);
}

/** Under the names that their nodes have here. */
function renamed(merging: Merging, job: JobRecord): JobRecord {
  const here = (name: string): string => merging.nameOf(name) ?? name;
  const targets = job.targets.map(here);
  if (targets.every((name, i) => name === job.targets[i])) return job;
  if (new Set(targets).size < targets.length) return job;
  const nodes = Object.entries(job.nodes).map(([name, work]) => [here(name), work]);
  const waves = job.waves.map((wave) => wave.map(here));
  return { ...job, targets, waves, nodes: Object.fromEntries(nodes) };
}

function sameTargets(a: JobRecord, b: JobRecord): boolean {
  return a.targets.length === b.targets.length && b.targets.every((name) => name in a.nodes);
}

/** A run's id holds the node's name: work on a node that was renamed cannot go on. */
function mayGoOn(merging: Merging, job: JobRecord): boolean {
  if (!isActive(job)) return true;
  const { draft, other } = merging;
  if (job.revision !== null && draft.view.revision(job.revision) === null) return false;
  return job.targets.every((name) => {
    const id = other.nodes.get(name);
    if (id === undefined || merging.nameOf(name) !== name || !merging.isTheirs(id)) return false;
    const holder = draft.view.node(name)?.job ?? null;
    return holder === null || holder === job.id || !isHeldHere(merging, holder);
  });
}

/** A job that they do not know, or that went on here, and has work left. */
function isHeldHere({ draft, other }: Merging, id: string): boolean {
  const job = draft.view.job(id);
  return job !== null && isActive(job) && !other.records.job.has(id);
}

/** The job as both sides together know it. */
function combined(merging: Merging, ours: JobRecord, theirs: JobRecord): JobRecord {
  const open = isActive(ours) && ours.status !== "queued";
  const rest = open ? theirs : cancelRest(merging.draft, theirs, superseded);
  const nodes: Record<string, JobNode> = {};
  for (const name of ours.targets) {
    const id = merging.draft.view.node(name)?.id;
    const decides = id !== undefined && merging.isTheirs(id) ? rest : ours;
    const work = jobNode(decides, name);
    if (work !== null) nodes[name] = work;
  }
  const cancelRequested = ours.cancelRequested || theirs.cancelRequested;
  if (isActive(ours)) return { ...ours, nodes, cancelRequested };
  return { ...ours, nodes, status: endOf(nodes, ours.status) };
}

function endOf(nodes: JobRecord["nodes"], status: JobStatus): JobStatus {
  const works = Object.values(nodes);
  if (works.every((work) => work.status === "succeeded" || work.status === "skipped")) {
    return works.some((work) => work.status === "succeeded") ? "succeeded" : status;
  }
  return status === "succeeded" ? "failed" : status;
}

/** Ends what has not ended; runs under way go into the ledger as cancelled, and their agents stop them. */
export function cancelRest(draft: Draft, job: JobRecord, message: string): JobRecord {
  if (!isActive(job)) return job;
  const nodes = Object.entries(job.nodes).map(([name, work]) => {
    return [name, isEnded(work) ? work : cancelWork(draft, { job: job.id, name, work }, message)];
  });
  return {
    ...job,
    nodes: Object.fromEntries(nodes) as JobRecord["nodes"],
    status: "cancelled",
    cancelRequested: true,
    endedAt: draft.at,
  };
}

export function cancelWork(
  draft: Draft,
  { job, name, work }: { readonly job: string; readonly name: string; readonly work: JobNode },
  message: string,
): JobNode {
  const { current, runs } = work;
  const ended = { ...work, status: "cancelled", endedAt: draft.at, message } as const;
  if (current === null) return ended;
  const run = cancelledRun(draft, current, message);
  if (draft.view.node(name) !== null && draft.view.ledgerEntry(name, run.id) === null) {
    recordRun(draft, run, { node: name, job, vars: {}, varsDigest: "" });
  }
  return { ...ended, current: null, runs: [...runs, run] };
}

function cancelledRun(
  draft: Draft,
  { id, role, action, attempt, revision, begunAt }: NonNullable<JobNode["current"]>,
  message: string,
): FinishedRun {
  const end = { outcome: "cancelled", exitCode: null, signal: null } as const;
  const span = { startedAt: begunAt, endedAt: draft.at };
  return { id, role, action, attempt, revision, ...end, ...span, message };
}

function journal(merging: Merging, ours: JobRecord, theirs: JobRecord): void {
  merging.journal({
    key: `job/${ours.id}`,
    theirs: outline(theirs),
    theirVersion: theirs.version,
    ours: outline(ours),
    ourVersion: merging.draft.view.job(ours.id)?.version ?? 0,
    rule: "side-of-each-node",
    resolution: "superseded",
  });
}

/** What became of it; the runs themselves are in the ledger. */
function outline({ status, cancelRequested, nodes }: JobRecord): Json {
  const works = Object.entries(nodes).map(([name, work]) => [name, work.status]);
  return { status, cancelRequested, nodes: Object.fromEntries(works) as Json };
}
