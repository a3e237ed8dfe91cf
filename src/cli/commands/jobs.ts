/** `muster jobs`: look at jobs, read their logs, wait for one. */
import { type Command, Option } from "commander";
import { type Job, type LogLine } from "../../api/contract/jobs.ts";
import { type OutputFlags, withLimit, withOutput, withTimeout } from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { concludeJob, followJob } from "../follow-job.ts";
import { printStream } from "../follow-stream.ts";
import { readPages } from "../pages.ts";
import { printSingle } from "../render/output.ts";
import { type WatchFlags, watchListing, watchSingle, withWatch } from "../watch.ts";
import { addJobMoves } from "./job-moves.ts";
import { jobColumns, jobLines } from "./job-text.ts";

export function addJobCommands(program: Command, context: CliContext): void {
  const jobs = program.command("jobs").description("long-running operations and their logs");
  const listing = withWatch(withOutput(jobs.command("list", { isDefault: true })))
    .description("jobs, newest first")
    .option("--status <STATUS>", "only jobs with this status")
    .option("--node <NODE>", "only jobs with this node");
  withLimit(listing, 20).action((flags: ListFlags) => listJobs(context, flags));
  withWatch(withOutput(jobs.command("show")))
    .description("one job: id, unique prefix, active or last")
    .argument("[JOB]", "job", "last")
    .action((id: string, flags: WatchFlags) => showJob(context, id, flags));
  jobs
    .command("logs")
    .description("what the actions of a job printed")
    .argument("[JOB]", "job", "last")
    .option("-f, --follow", "go on until the job ends")
    .option("--node <NODE>", "only this node")
    .option("--since <SINCE>", "10m (back from now) or an RFC 3339 time")
    .addOption(
      new Option("-o, --output <FORMAT>", "text, or json: one object a line")
        .choices(["text", "json"])
        .default("text"),
    )
    .action((id: string, flags: LogFlags) => printLogs(context, id, flags));
  withTimeout(withOutput(jobs.command("wait")))
    .description("wait until a job ends; exit code as if it had been waited for from the start")
    .argument("[JOB]", "job", "last")
    .option("-q, --quiet", "no progress")
    .action((id: string, flags: WaitFlags) => waitForJob(context, id, flags));
  addJobMoves(jobs, context);
}

interface ListFlags extends WatchFlags {
  readonly status?: Job["status"];
  readonly node?: string;
  readonly limit: number;
}

async function listJobs(context: CliContext, flags: ListFlags): Promise<void> {
  const client = connect(context);
  const { status, node } = flags;
  const filter = {
    ...(status === undefined ? {} : { status }),
    ...(node === undefined ? {} : { node }),
  };
  const none = status === undefined && node === undefined ? "No jobs" : "No jobs match";
  await watchListing(context, flags, async () => {
    const items = await readPages(
      flags.limit,
      async (page) => (await client.call("listJobs", { query: { ...filter, ...page } })).value,
    );
    return { items, columns: jobColumns, nameOf: (job) => job.id, none };
  });
}

async function showJob(context: CliContext, id: string, flags: WatchFlags): Promise<void> {
  const client = connect(context);
  await watchSingle(context, flags, async () => {
    const job = (await client.call("getJob", { params: { id } })).value;
    return { value: job, name: job.id, lines: (size) => jobLines(job, size) };
  });
}

interface LogFlags {
  readonly follow?: boolean;
  readonly node?: string;
  readonly since?: string;
  readonly output: "text" | "json";
}

async function printLogs(context: CliContext, given: string, flags: LogFlags): Promise<void> {
  const client = connect(context);
  const job = (await client.call("getJob", { params: { id: given } })).value;
  const { node, since } = flags;
  const query = {
    ...(flags.follow === true ? { follow: true } : {}),
    ...(node === undefined ? {} : { node }),
    ...(since === undefined ? {} : { since }),
  };
  const isPrefixed = job.targets.length > 1 && node === undefined;
  const count = await printStream(
    context,
    (signal) => client.stream("getJobLogs", { params: { id: job.id }, query }, { signal }),
    (line) => {
      const text = formatLine(line, flags.output, isPrefixed);
      return context.columns === null ? text : harmless(text);
    },
  );
  if (count > 0) return;
  const later = job.endedAt === null && flags.follow !== true ? "; -f waits for them" : "";
  context.tell(`No log lines of job ${job.id} (${job.status})${later}`);
}

function formatLine(line: LogLine, format: LogFlags["output"], isPrefixed: boolean): string {
  if (format === "json") return JSON.stringify(line);
  return `${isPrefixed ? `${line.node}: ` : ""}${line.text}`;
}

/**
 * What a node printed, safe for this terminal: colours stay, other control sequences (titles, cursor moves, answers
 * typed for the operator) do not. In a pipe or a file everything is as it was.
 */
function harmless(text: string): string {
  // biome-ignore lint: control characters are what is meant
  const sequences =
    /\u001b\[[0-9;]*m|\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|.)?|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
  return text.replace(sequences, (found) => (/^\u001b\[[0-9;]*m$/.test(found) ? found : ""));
}

interface WaitFlags extends OutputFlags {
  readonly timeout?: number;
  readonly quiet?: boolean;
}

async function waitForJob(context: CliContext, id: string, flags: WaitFlags): Promise<void> {
  const client = connect(context);
  const first = (await client.call("getJob", { params: { id } })).value;
  const followed = await followJob(context, client, first, {
    timeoutMs: flags.timeout ?? null,
    quiet: flags.quiet === true,
  });
  const { job } = followed;
  const single = { value: job, name: job.id, lines: jobLines.bind(null, job) };
  await printSingle(context, single, flags.output);
  concludeJob(context, followed);
}
