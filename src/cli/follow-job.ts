/**
 * Waiting for a job: progress on standard error, the outcome as an exit code. The agent that is asked may die
 * meanwhile; the job goes on without it, and so does the waiting, until nobody answers for a minute.
 */
import { type ApiClient } from "../api/client.ts";
import { type Job, type JobNode } from "../api/contract/jobs.ts";
import { delay, systemClock } from "../base/clock.ts";
import { isAgentError } from "../base/errors.ts";
import { type CliContext } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { transient } from "./transient.ts";

const pollMs = 250;
const giveUpMs = 60_000;

export interface Followed {
  readonly job: Job;
  /** False when the waiting ended first: Ctrl-C or the time limit. */
  readonly ended: boolean;
}

export interface FollowOptions {
  readonly timeoutMs: number | null;
  readonly quiet: boolean;
}

/** Resolves when the job ended, on Ctrl-C, or at the time limit. */
export async function followJob(
  context: CliContext,
  client: ApiClient,
  first: Job,
  options: FollowOptions,
): Promise<Followed> {
  const begun = systemClock.monotonicMs();
  const seen = new Map<string, string>();
  let job = first;
  let lastContact = begun;
  const interrupted = context.interrupted;
  for (;;) {
    if (!options.quiet) report(context, job, seen);
    if (isEnded(job)) return { job, ended: true };
    const now = systemClock.monotonicMs();
    if (options.timeoutMs !== null && now - begun >= options.timeoutMs) {
      return { job, ended: false };
    }
    await delay(systemClock, pollMs, interrupted).catch(() => undefined);
    if (interrupted.aborted) return { job, ended: false };
    try {
      const request = { params: { id: first.id } };
      job = (await client.call("getJob", request, { signal: interrupted })).value;
      lastContact = systemClock.monotonicMs();
    } catch (error) {
      if (interrupted.aborted) return { job, ended: false };
      if (!isAgentError(error, ...transient)) throw error;
      if (systemClock.monotonicMs() - lastContact > giveUpMs) throw error;
    }
  }
}

export function isEnded(job: Job): boolean {
  return job.endedAt !== null;
}

function report(context: CliContext, job: Job, seen: Map<string, string>): void {
  const say = (key: string, text: string): void => {
    if (seen.get(key) === text) return;
    seen.set(key, text);
    context.tell(text);
  };
  if (job.status === "queued" && job.blockedBy.length > 0) {
    say("", `${job.id} queued behind ${job.blockedBy.join(", ")}`);
  }
  if (job.status === "paused")
    say("", `${job.id} paused; go on with: muster jobs resume ${job.id}`);
  for (const [name, node] of Object.entries(job.nodes)) {
    if (node.status !== "pending") say(name, `${name}: ${describe(node)}`);
  }
}

function describe(node: JobNode): string {
  const step = node.step === null ? "" : ` ${node.step}`;
  const exit = node.exitCode === null || node.exitCode === 0 ? "" : ` (exit code ${node.exitCode})`;
  const firstLine = node.message.split("\n")[0] ?? "";
  const message = firstLine === "" || node.status === "running" ? "" : `: ${firstLine}`;
  return `${node.status}${step}${exit}${message}`;
}

/** Sets the exit code and says on standard error what to do next. */
export function concludeJob(context: CliContext, { job, ended }: Followed): void {
  if (!ended) {
    context.tell(`Not waiting any more; the job goes on. Wait again: muster jobs wait ${job.id}`);
    context.tell(`Cancel it: muster jobs cancel ${job.id}`);
    context.setExitCode(exitCodes.gaveUp);
    return;
  }
  const code = exitCodeOfJob(job);
  if (code === exitCodes.failed) {
    context.tell(
      `What it printed: muster jobs logs ${job.id}   again: muster jobs retry ${job.id}`,
    );
  }
  if (code === exitCodes.different) {
    context.tell(`Drift: muster jobs logs ${job.id}   mend it: muster upgrade NODE`);
  }
  context.setExitCode(code);
}

/** 0 when every node succeeded; 3 when a verify did its work and found drift; 1 otherwise. */
export function exitCodeOfJob(job: Job): number {
  if (job.status !== "succeeded") return exitCodes.failed;
  if (job.action !== "verify") return exitCodes.ok;
  const foundDrift = Object.values(job.nodes).some(
    (node) => node.status === "succeeded" && (node.exitCode ?? 0) !== 0,
  );
  return foundDrift ? exitCodes.different : exitCodes.ok;
}
