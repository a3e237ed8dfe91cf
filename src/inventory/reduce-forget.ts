/**
 * Forgetting a node: its agent is evicted for ever (the tombstone wins over every later admission), its
 * records go. History and ledger stay readable for a while, as the last trace of a machine that may be dead
 * (where are its transcripts, who forgot it and when); the ledger goes as soon as another machine takes the
 * name, so that nothing is ever cleaned up by the records of a different machine.
 */
import { type CommandType } from "./commands.ts";
import { type CommandOf } from "./command-shapes.ts";
import { type Draft } from "./draft.ts";
import { type FinishedRun, type JobNode, type JobRecord, type NodeRecord } from "./records.ts";
import { type Handlers, type Outcome, done, notFound, refuse, versionRefusal } from "./outcome.ts";
import { addHistory, setCondition } from "./node-changes.ts";
import { isEnded } from "./job-nodes.ts";
import { limits } from "./limits.ts";
import { nodeVersion } from "./node-version.ts";
import { contestedName } from "./reduce-members.ts";
import { recordRun } from "./ledger.ts";
import { canBegin } from "./transitions.ts";

export const forgetHandlers: Handlers<Extract<CommandType, "node.forget">> = {
  "node.forget": forget,
};

function forget(draft: Draft, { node: name, force, ifVersion }: CommandOf<"node.forget">): Outcome {
  const node = draft.view.node(name);
  if (node === null) return notFound("node", name);
  const stale = versionRefusal(`node "${name}"`, ifVersion, nodeVersion(draft.view, name));
  if (stale !== null) return stale;
  if (node.job !== null && !force) {
    return refuse(
      "NODE_HELD",
      `Cannot forget node "${name}": job "${node.job}" holds it; cancel the job, or use force`,
      { job: node.job },
    );
  }
  if (node.phase !== "decommissioned" && !force) {
    return refuse(
      "ILLEGAL_MOVE",
      `Cannot forget node "${name}": it is ${node.phase}; ${wayOut(node)}`,
      { phase: node.phase, legal: ["decommissioned"] },
    );
  }
  const admitted = draft.view.members().filter(({ status }) => status === "admitted");
  if (admitted.length <= 1) {
    return refuse("CONFLICT", `Cannot forget node "${name}": it is the last member of the cluster`);
  }
  removeNode(draft, node, { reason: force ? "forgotten by force" : "forgotten", force });
  return done({ node: name, id: node.id });
}

/** Takes a node out with all that is its own; its agent is evicted, jobs go on without it. */
export function removeNode(
  draft: Draft,
  node: NodeRecord,
  { reason, force }: { readonly reason: string; readonly force: boolean },
): void {
  const { name } = node;
  for (const job of draft.view.activeJobs()) loseNode(draft, job, node);
  addHistory(draft, name, {
    kind: "phase",
    from: node.phase,
    to: "forgotten",
    reason,
    job: node.job,
  });
  evict(draft, node);
  draft.delete("node", name);
  draft.delete("spec", name);
  draft.delete("label", name);
  clearConflict(draft, node);
  dropOldRemains(draft);
  draft.emit("node.forgotten", `node/${name}`, `Node "${name}" forgotten`, { id: node.id, force });
}

/** A node that was never configured has nothing to be decommissioned of. */
function wayOut({ phase }: NodeRecord): string {
  return canBegin("decommission", phase)
    ? "decommission it first, or use force"
    : "use force to forget it as it is";
}

function evict(draft: Draft, node: NodeRecord): void {
  const member = draft.view.member(node.id);
  if (member === null) return;
  draft.put("member", node.id, { ...member, status: "evicted" });
  draft.emit("member.evicted", `member/${node.id}`, `Agent of node "${node.name}" evicted`, {
    id: node.id,
    node: node.name,
  });
}

/** A job that still had work on the node goes on without it. */
function loseNode(draft: Draft, job: JobRecord, node: NodeRecord): void {
  const work = Object.hasOwn(job.nodes, node.name) ? job.nodes[node.name] : undefined;
  if (work === undefined || isEnded(work)) return;
  const lost = work.current === null ? null : lostRun(draft, work.current);
  const ended: JobNode = {
    ...work,
    status: "lost",
    current: null,
    runs: lost === null ? work.runs : [...work.runs, lost],
    endedAt: draft.at,
    message: "the node was forgotten",
  };
  draft.put("job", job.id, { ...job, nodes: { ...job.nodes, [node.name]: ended } });
  if (lost !== null) {
    recordRun(draft, lost, { node: node.name, job: job.id, vars: {}, varsDigest: "" });
  }
  draft.emit("job.node.finished", `job/${job.id}`, `Node "${node.name}" is lost: forgotten`, {
    node: node.name,
    status: "lost",
  });
}

function lostRun(draft: Draft, current: NonNullable<JobNode["current"]>): FinishedRun {
  const { id, role, action, attempt, revision, begunAt } = current;
  return {
    id,
    role,
    action,
    attempt,
    revision,
    outcome: "lost",
    exitCode: null,
    signal: null,
    startedAt: begunAt,
    endedAt: draft.at,
    message: "the node was forgotten while it ran",
  };
}

/** When only one node of a contested name is left, nobody contests it any more. */
function clearConflict(draft: Draft, node: NodeRecord): void {
  const name = contestedName(node);
  if (name === null) return;
  const [last, second] = draft.view.nodes().filter((other) => contestedName(other) === name);
  if (last === undefined || second !== undefined) return;
  const free = { type: "NameConflict", status: "False", reason: "NameFree", message: "" } as const;
  setCondition(draft, last.name, free);
}

/** History and ledger of the newest forgotten nodes stay; those of older ones go. */
function dropOldRemains(draft: Draft): void {
  const forgotten = draft.view
    .members()
    .filter(({ status, node }) => status === "evicted" && draft.view.node(node) === null)
    .sort((a, b) => b.version - a.version);
  const names = [...new Set(forgotten.map(({ node }) => node))];
  for (const name of names.slice(limits.forgottenNodes)) {
    for (const id of draft.view.oldestHistory(name, 0)) draft.delete("history", id);
    for (const { id } of draft.view.ledger(name)) draft.delete("ledger", `${name}/${id}`);
  }
}
