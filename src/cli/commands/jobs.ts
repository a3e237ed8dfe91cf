/** `muster jobs`: look at jobs, read their logs, cancel, pause, resume, retry. */
import { type Command } from "commander";
import { type Job, type LogLine } from "../../api/contract/jobs.ts";
import { formatOf, parseTimeout, withOutput } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { exitCodes } from "../exit-codes.ts";
import { exitCodeOfJob, followJob } from "../follow-job.ts";
import { printSingle } from "../render/output.ts";
import { watchListing, withWatch } from "../watch.ts";
import { jobColumns, jobLines } from "./job-text.ts";

export function addJobCommands(program: Command, context: CliContext): void {
  const jobs = program.command("jobs").description("long-running operations and their logs");
  const listing = withWatch(withOutput(jobs.command("list", { isDefault: true })))
    .description("jobs, newest first")
    .option("--status <STATUS>", "only jobs with this status")
    .option("--node <NODE>", "only jobs with this node")
    .option("--limit <N>", "how many", "20");
  listing.action((flags: ListFlags) => listJobs(context, flags));
  withOutput(jobs.command("show"))
    .description("one job: id, unique prefix, active or last")
    .argument("[JOB]", "job", "last")
    .action((id: string, flags: { output?: string }) => showJob(context, id, flags));
  jobs
    .command("logs")
    .description("what the actions of a job printed")
    .argument("[JOB]", "job", "last")
    .option("-f, --follow", "go on until the job ends")
    .option("--node <NODE>", "only this node")
    .option("-o, --output <FORMAT>", "text|json (one object a line)", "text")
    .action((id: string, flags: LogFlags) => printLogs(context, id, flags));
  jobs
    .command("wait")
    .description("wait until a job ends; exit code as if it had been waited for from the start")
    .argument("[JOB]", "job", "last")
    .option("--timeout <DURATION>", "stop waiting after this long; the job goes on")
    .action((id: string, flags: { timeout?: string }) => waitForJob(context, id, flags));
  addMoves(jobs, context);
}

interface ListFlags {
  readonly output?: string;
  readonly watch?: boolean;
  readonly status?: Job["status"];
  readonly node?: string;
  readonly limit: string;
}

async function listJobs(context: CliContext, flags: ListFlags): Promise<void> {
  const client = connect(context);
  const query = {
    limit: Number(flags.limit),
    ...(flags.status === undefined ? {} : { status: flags.status }),
    ...(flags.node === undefined ? {} : { node: flags.node }),
  };
  await watchListing(context, flags, async () => {
    const { items } = (await client.call("listJobs", { query })).value;
    return { items, columns: jobColumns, nameOf: (job) => job.id, none: "No jobs" };
  });
}

async function showJob(context: CliContext, id: string, flags: { output?: string }): Promise<void> {
  const job = (await connect(context).call("getJob", { params: { id } })).value;
  const single = { value: job, name: job.id, lines: () => jobLines(job) };
  await printSingle(context, single, formatOf(flags));
}

interface LogFlags {
  readonly follow?: boolean;
  readonly node?: string;
  readonly output: string;
}

async function printLogs(context: CliContext, id: string, flags: LogFlags): Promise<void> {
  const client = connect(context);
  const job = (await client.call("getJob", { params: { id } })).value;
  const query = {
    ...(flags.follow === true ? { follow: true } : {}),
    ...(flags.node === undefined ? {} : { node: flags.node }),
  };
  const prefixed = job.targets.length > 1 && flags.node === undefined;
  const signal = context.interrupted;
  const lines = client.stream("getJobLogs", { params: { id: job.id }, query }, { signal });
  try {
    for await (const line of lines) context.print(formatLine(line, flags.output, prefixed));
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function formatLine(line: LogLine, format: string, prefixed: boolean): string {
  if (format === "json") return JSON.stringify(line);
  return `${prefixed ? `${line.node}: ` : ""}${line.text}`;
}

async function waitForJob(
  context: CliContext,
  id: string,
  flags: { timeout?: string },
): Promise<void> {
  const client = connect(context);
  const first = (await client.call("getJob", { params: { id } })).value;
  const timeoutMs = flags.timeout === undefined ? null : parseTimeout(flags.timeout);
  const { job, ended } = await followJob(context, client, first, { timeoutMs, quiet: false });
  context.print(jobLines(job));
  context.setExitCode(ended ? exitCodeOfJob(job) : exitCodes.gaveUp);
}

function addMoves(jobs: Command, context: CliContext): void {
  const moves = [
    ["cancel", "cancelJob", "stop running actions, leave the rest alone"],
    ["pause", "pauseJob", "begin no further wave"],
    ["resume", "resumeJob", "go on after a pause"],
    ["retry", "retryJob", "do again what failed"],
  ] as const;
  for (const [verb, route, describe] of moves) {
    withOutput(jobs.command(verb))
      .description(describe)
      .argument("<JOB>", "job: id, unique prefix, active or last")
      .action(async (id: string, flags: { output?: string }) => {
        const job = (await connect(context).call(route, { params: { id } })).value;
        const lines = (): string => `${job.id} ${job.status}`;
        await printSingle(context, { value: job, name: job.id, lines }, formatOf(flags));
      });
  }
}
