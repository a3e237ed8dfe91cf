/**
 * After a merge: jobs and nodes agree again, whatever the two sides did. A node is held by one live job that has work
 * on it, or by none; work that is under way is under way on a node in the phase of that work; a node in a passing
 * phase has such work. Where two jobs claim one node, the one whose work is under way keeps it.
 */
import { type Draft } from "../draft.ts";
import { isEnded, jobNode } from "../job-nodes.ts";
import { movePhase, setCondition, updateNode } from "../node-changes.ts";
import { type JobNode, type JobRecord, type NodeRecord } from "../records.ts";
import { isActive } from "../state.ts";
import { isPassing, passingPhase } from "../transitions.ts";
import { cancelWork } from "./jobs.ts";

interface Claim {
  readonly job: JobRecord;
  readonly work: JobNode;
}

export function restoreConsistency(draft: Draft): void {
  const claims = claimsByNode(draft);
  for (const node of draft.view.nodes()) settleNode(draft, node, claims.get(node.name) ?? []);
}

function claimsByNode(draft: Draft): ReadonlyMap<string, readonly Claim[]> {
  const claims = new Map<string, Claim[]>();
  for (const job of draft.view.activeJobs()) {
    if (job.status === "queued") continue;
    for (const name of job.targets) {
      const work = jobNode(job, name);
      if (work === null || isEnded(work)) continue;
      claims.set(name, [...(claims.get(name) ?? []), { job, work }]);
    }
  }
  return claims;
}

function settleNode(draft: Draft, node: NodeRecord, claims: readonly Claim[]): void {
  const possible = claims.filter(({ job, work }) => fits(job, work, node));
  const holder =
    possible.find(({ job, work }) => work.status === "running" && job.id === node.job) ??
    possible.find(({ work }) => work.status === "running") ??
    possible.find(({ job }) => job.id === node.job) ??
    possible[0];
  for (const { job } of claims) {
    if (job.id === holder?.job.id) continue;
    const why =
      holder === undefined
        ? "what was under way is not any more"
        : `job "${holder.job.id}" holds it`;
    const message = `ended by the merge: ${why}`;
    endWork(draft, { job: job.id, name: node.name }, message);
  }
  const held = holder?.job.id ?? (isHeldToTheEnd(draft, node) ? node.job : null);
  if (node.job !== held) {
    updateNode(draft, node.name, { job: held, lastJob: node.job ?? node.lastJob });
  }
  const isWorkedOn = holder?.work.status === "running";
  if (isPassing(node.phase) && !isWorkedOn) leavePassingPhase(draft, node);
}

/** A job keeps a node whose work is done until all of it ends. */
function isHeldToTheEnd(draft: Draft, { name, job: id }: NodeRecord): boolean {
  const job = id === null ? null : draft.view.job(id);
  const isLive = job !== null && isActive(job) && job.status !== "queued";
  return isLive && jobNode(job, name) !== null;
}

/** Work that has not begun fits any node; work under way only the phase it brought about. */
function fits(job: JobRecord, work: JobNode, node: NodeRecord): boolean {
  const passing = passingPhase(job.action);
  if (work.status !== "running") return true;
  return passing === null ? !isPassing(node.phase) : node.phase === passing;
}

function leavePassingPhase(draft: Draft, { name, phase, job }: NodeRecord): void {
  const to = phase === "upgrading" ? "commissioned" : "failed";
  movePhase(draft, name, { to, reason: "its job was ended by the merge", job });
  if (to === "failed") return;
  setCondition(draft, name, {
    type: "Configured",
    status: "Unknown",
    reason: "Merged",
    message: "An upgrade was ended by the merge of two generations; upgrade the node again",
  });
}

function endWork(
  draft: Draft,
  { job: id, name }: { readonly job: string; readonly name: string },
  message: string,
): void {
  const job = draft.view.job(id);
  const work = job === null ? null : jobNode(job, name);
  if (job === null || work === null || isEnded(work)) return;
  const ended = cancelWork(draft, { job: id, name, work }, message);
  draft.put("job", id, { ...job, nodes: { ...job.nodes, [name]: ended } });
}
