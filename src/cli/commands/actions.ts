/** The verbs that make jobs: commission, decommission, upgrade, verify, cleanup. */
import { randomUUID } from "node:crypto";
import { type Command } from "commander";
import { type ApiClient } from "../../api/client.ts";
import { type CreateJobRequest, type Job, type JobPlan } from "../../api/contract/jobs.ts";
import { delay, systemClock } from "../../base/clock.ts";
import { isAgentError } from "../../base/errors.ts";
import { type JsonObject } from "../../base/json.ts";
import {
  collect,
  type OutputFlags,
  parseAssignments,
  readMapping,
  type TargetFlags,
  targetsOf,
  withOutput,
  withTargets,
  withTimeout,
} from "../arguments.ts";
import { connect } from "../connect.ts";
import { type CliContext } from "../context.ts";
import { concludeJob, followJob } from "../follow-job.ts";
import { printSingle } from "../render/output.ts";
import { jobLines, planLines } from "./job-text.ts";

const verbs = {
  commission: "apply the configuration of roles to nodes",
  decommission: "take the configuration of nodes away again",
  upgrade: "bring nodes to the revision in force, with the vars in force",
  verify: "check that what was applied is still in place",
  cleanup: "take what was applied away; the node is as discovered again",
} as const;

interface ActionFlags extends TargetFlags, OutputFlags {
  readonly role?: readonly string[];
  readonly var?: readonly string[];
  readonly varsFile?: string;
  readonly strategy?: readonly string[];
  readonly dryRun?: boolean;
  readonly detach?: boolean;
  readonly force?: boolean;
  readonly reason?: string;
  readonly timeout?: number;
  readonly quiet?: boolean;
}

export function addActionCommands(program: Command, context: CliContext): void {
  for (const [verb, describe] of Object.entries(verbs) as [keyof typeof verbs, string][]) {
    const command = withOutput(withTargets(program.command(verb).description(describe)))
      .option("--role <ROLE>", "only this role (repeatable)", collect)
      .option("--var <K=V>", "variable of this job only (repeatable)", collect)
      .option("--vars-file <FILE>", "variables of this job only (YAML or JSON; - for stdin)")
      .option("--strategy <K=V>", "batch=25%, canary=1, onFailure=pause … or a file", collect)
      .option("--reason <TEXT>", "why, for the history")
      .option("--dry-run", "show what would be done, change nothing")
      .option("--force", "go on where a precheck or a failed cleanup would stop")
      .option("--detach", "print the job's id and return")
      .option("-q, --quiet", "no progress");
    withTimeout(command).action((names: string[], flags: ActionFlags) =>
      runAction(context, verb, names, flags),
    );
  }
}

async function runAction(
  context: CliContext,
  action: keyof typeof verbs,
  names: readonly string[],
  flags: ActionFlags,
): Promise<void> {
  const { output } = flags;
  const body = await buildRequest(action, names, flags);
  const client = connect(context);
  const answer = await create(client, body);
  if ("dryRun" in answer) {
    const single = { value: answer, name: action, lines: planLines.bind(null, answer) };
    await printSingle(context, single, output);
    return;
  }
  if (flags.detach === true) {
    await printSingle(context, { value: answer, name: answer.id, lines: () => answer.id }, output);
    return;
  }
  const isQuiet = flags.quiet === true;
  if (!isQuiet) context.tell(`job ${answer.id}: ${action} ${countText(answer.targets.length)}`);
  const timeoutMs = flags.timeout ?? null;
  const followed = await followJob(context, client, answer, { timeoutMs, quiet: isQuiet });
  const { job } = followed;
  const single = { value: job, name: job.id, lines: jobLines.bind(null, job) };
  await printSingle(context, single, output);
  concludeJob(context, followed);
}

function countText(nodes: number): string {
  return nodes === 1 ? "1 node" : `${nodes} nodes`;
}

async function buildRequest(
  action: keyof typeof verbs,
  names: readonly string[],
  flags: ActionFlags,
): Promise<CreateJobRequest> {
  const fromFile = flags.varsFile === undefined ? {} : await readMapping(flags.varsFile);
  const vars: JsonObject = { ...fromFile, ...parseAssignments(flags.var ?? []) };
  const strategy = await readStrategy(flags.strategy ?? []);
  const request = {
    action,
    ...targetsOf(names, flags),
    ...(flags.role === undefined ? {} : { roles: flags.role }),
    ...(Object.keys(vars).length === 0 ? {} : { vars }),
    ...(strategy === null ? {} : { strategy }),
    ...(flags.dryRun === true ? { dryRun: true } : {}),
    ...(flags.force === true ? { force: true } : {}),
    ...(flags.reason === undefined ? {} : { reason: flags.reason }),
  };
  return request;
}

/** `batch=25%,onFailure=pause`, or a file that holds the same as YAML. The agent checks the fields. */
async function readStrategy(texts: readonly string[]): Promise<JsonObject | null> {
  if (texts.length === 0) return null;
  const [only] = texts;
  if (texts.length === 1 && only !== undefined && !only.includes("=")) return readMapping(only);
  return parseAssignments(texts.flatMap((text) => text.split(",")));
}

/**
 * Creates the job. A lost answer is asked for again with the same Idempotency-Key: the job is made once,
 * whatever broke in between.
 */
async function create(client: ApiClient, body: CreateJobRequest): Promise<Job | JobPlan> {
  const idempotencyKey = randomUUID();
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await client.call("createJob", { body }, { idempotencyKey });
      return answer.value;
    } catch (error) {
      const again = isAgentError(error, "UNKNOWN_OUTCOME", "NO_LEADER", "BUSY");
      if (!again || attempt >= 4) throw error;
      await delay(systemClock, 500 * attempt);
    }
  }
}
