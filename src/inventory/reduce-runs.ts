/**
 * Runs: recorded before the target starts them, ended once. Whoever reports the end of a run (its target, or
 * a leader that gave it up) gets the result that was recorded first.
 */
import { type CommandType } from "./commands.ts";
import { type CommandOf } from "./command-shapes.ts";
import { type CurrentRun, type FinishedRun, type LedgerRecord } from "./records.ts";
import { type Draft } from "./draft.ts";
import {
  type Handlers,
  type Outcome,
  type Refusal,
  done,
  invalid,
  notFound,
  refuse,
} from "./outcome.ts";
import { type HeldWork, heldWork, isRefusal, putWork } from "./job-work.ts";
import { checkJson, checkName, checkText, cut } from "./names.ts";
import { jobNode, runId } from "./job-nodes.ts";
import { limits } from "./limits.ts";
import { recordRun } from "./ledger.ts";
import { updateNode } from "./node-changes.ts";

type Finish = CommandOf<"run.finish">;

export const runHandlers: Handlers<
  Extract<CommandType, "run.begin" | "run.finish" | "run.transcripts">
> = {
  "run.begin": begin,
  "run.finish": finish,
  "run.transcripts": addTranscripts,
};

function begin(draft: Draft, command: CommandOf<"run.begin">): Outcome {
  const held = heldWork(draft, command);
  if (isRefusal(held)) return held;
  const refusal = beginRefusal(draft, held, command.run);
  if (refusal !== null) return refusal;
  const { job, node, work } = held;
  const { id, role, action, attempt, revision, timeoutMs } = command.run;
  const current: CurrentRun = { id, role, action, attempt, revision, timeoutMs, begunAt: draft.at };
  const step = `${role}/${action}`;
  putWork(draft, job, { node: node.name, work: { ...work, current, step } });
  if (action === "configure" || action === "upgrade") {
    // From here on the role may be on the machine, whatever happens to the run.
    const appliedRoles = [...new Set([...node.appliedRoles, role])].sort();
    if (appliedRoles.length > node.appliedRoles.length)
      updateNode(draft, node.name, { appliedRoles });
  }
  draft.emit("run.started", `node/${node.name}`, `${action} of role "${role}" began`, {
    run: id,
    job: job.id,
    role,
    action,
  });
  return done({ run: id });
}

function beginRefusal(
  draft: Draft,
  { job, node, work }: HeldWork,
  run: CurrentRun,
): Refusal | null {
  const cannot = `Cannot begin run "${cut(run.id, 200)}"`;
  const taken =
    work.current?.id === run.id ||
    work.runs.some(({ id }) => id === run.id) ||
    draft.view.ledgerEntry(node.name, run.id) !== null;
  if (taken) return refuse("ALREADY_EXISTS", `${cannot}: there is such a run`, { run: run.id });
  if (work.status !== "running") {
    return refuse("ILLEGAL_MOVE", `${cannot}: node "${node.name}" is ${work.status} in its job`, {
      status: work.status,
    });
  }
  if (work.current !== null) {
    return refuse("ILLEGAL_MOVE", `${cannot}: run "${work.current.id}" has not ended`, {
      run: work.current.id,
    });
  }
  if (draft.view.revision(run.revision) === null) {
    return refuse("NOT_FOUND", `${cannot}: there is no revision "${run.revision}"`);
  }
  const expected = runId(job.id, node.name, run);
  const problem =
    checkName("role", run.role) ??
    (run.id === expected ? null : `its id must be "${expected}"`) ??
    (run.timeoutMs > 0 ? null : "its timeout is 0");
  return problem === null ? null : refuse("INVALID", `${cannot}: ${problem}`);
}

function finish(draft: Draft, command: Finish): Outcome {
  const { result } = command;
  const recorded = draft.view.ledgerEntry(command.node, result.id);
  const held = heldWork(draft, command);
  if (recorded !== null) {
    // Its end came with a merge, and the job still waits for it.
    const current = isRefusal(held) ? null : held.work.current;
    if (!isRefusal(held) && current?.id === result.id)
      end(draft, held, finishedRun(current, recorded));
    return answer(recorded, false);
  }
  if (isRefusal(held)) return earlierResult(draft, command) ?? held;
  const { job, node, work } = held;
  const current = work.current;
  if (current?.id !== result.id) return earlierResult(draft, command) ?? notFound("run", result.id);
  const problem = finishProblem(current, command);
  if (problem !== null) return invalid(`end run "${result.id}"`, problem);
  const run = finishedRun(current, result);
  end(draft, held, run);
  const { vars, varsDigest, transcripts } = command;
  recordRun(draft, run, { node: node.name, job: job.id, vars, varsDigest, transcripts });
  return answer(run, true);
}

/** The job does not wait for it any more. */
function end(draft: Draft, { job, node, work }: HeldWork, run: FinishedRun): void {
  putWork(draft, job, {
    node: node.name,
    work: { ...work, current: null, runs: [...work.runs, run] },
  });
  if (run.action !== "cleanup" || run.outcome !== "succeeded") return;
  const appliedRoles = node.appliedRoles.filter((role) => role !== run.role);
  if (appliedRoles.length < node.appliedRoles.length)
    updateNode(draft, node.name, { appliedRoles });
}

/** A run of this job that ended so long ago that the ledger dropped it. */
function earlierResult(draft: Draft, { job: id, node, result }: Finish): Outcome | null {
  const job = draft.view.job(id);
  const work = job === null ? null : jobNode(job, node);
  const run = work?.runs.find((ended) => ended.id === result.id);
  return run === undefined ? null : answer(run, false);
}

function answer(run: FinishedRun | LedgerRecord, recorded: boolean): Outcome {
  return done({ run: run.id, outcome: run.outcome, exitCode: run.exitCode, recorded });
}

function finishProblem(
  current: CurrentRun,
  { result, vars, varsDigest, transcripts }: Finish,
): string | null {
  const same =
    current.role === result.role &&
    current.action === result.action &&
    current.attempt === result.attempt &&
    current.revision === result.revision;
  if (!same) return "its role, action, attempt or revision is not that of the run that began";
  if (transcripts.length > limits.transcriptPeers) {
    return `${transcripts.length} transcripts; at most ${limits.transcriptPeers}`;
  }
  return checkJson("vars", vars, 2 * limits.varsBytes) ?? checkText("digest", varsDigest, 128);
}

function finishedRun(current: CurrentRun, result: FinishedRun): FinishedRun {
  const { id, role, action, attempt, revision } = current;
  const { outcome, exitCode, signal, startedAt, endedAt } = result;
  const message = cut(result.message, limits.messageLength);
  const ref = { id, role, action, attempt, revision };
  return { ...ref, outcome, exitCode, signal, startedAt, endedAt, message };
}

function addTranscripts(draft: Draft, command: CommandOf<"run.transcripts">): Outcome {
  const { node, run, peers } = command;
  const entry = draft.view.ledgerEntry(node, run);
  if (entry === null) return notFound("run", run);
  const known = [...new Set([...entry.transcripts, ...peers])].slice(0, limits.transcriptPeers);
  if (known.length > entry.transcripts.length) {
    draft.put("ledger", `${node}/${run}`, { ...entry, transcripts: known });
    draft.emit("run.transcripts", `node/${node}`, `Transcript of run "${run}" has copies`, {
      run,
      peers: known,
    });
  }
  return done({ transcripts: known });
}
