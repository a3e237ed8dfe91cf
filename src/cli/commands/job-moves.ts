/** The verbs that steer a job: cancel, pause, resume, retry. Each says what comes next. */
import { type Command } from "commander";
import { type Job } from "../../api/contract/jobs.ts";
import { type OutputFlags, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { isEnded } from "../follow-job.ts";
import { printSingle } from "../render/output.ts";

const moves = [
  {
    verb: "cancel",
    route: "cancelJob",
    describe: "stop running actions, leave the rest alone",
    done: "is being cancelled: its running actions are being stopped",
  },
  { verb: "pause", route: "pauseJob", describe: "begin no further wave", done: "is being paused" },
  { verb: "resume", route: "resumeJob", describe: "go on after a pause", done: "goes on" },
  { verb: "retry", route: "retryJob", describe: "do again what failed", done: "tries again" },
] as const;

export function addJobMoves(jobs: Command, context: CliContext): void {
  for (const { verb, route, describe, done } of moves) {
    withOutput(jobs.command(verb))
      .description(describe)
      .argument("<JOB>", "job: id, unique prefix, active or last")
      .action(async (id: string, { output }: OutputFlags) => {
        const job = (await connect(context).call(route, { params: { id } })).value;
        const lines = (): string => moveText(job, done);
        await printSingle(context, { value: job, name: job.id, lines }, output);
        if (!isEnded(job)) context.tell(`Wait for it: muster jobs wait ${job.id}`);
      });
  }
}

/** A running action takes time to stop: what the job is now is not yet what was asked. */
function moveText(job: Job, done: string): string {
  return isEnded(job) ? `${job.id} ${job.status}` : `${job.id} ${done}`;
}
