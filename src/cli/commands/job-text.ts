/** Jobs as text: one line in a list, a screen for one, the plan of a dry run. */
import { type Job, type JobNode, type JobPlan } from "../../api/contract/jobs.ts";
import { systemClock } from "../../base/clock.ts";
import { type Column, renderFields, renderTable, type TableSize } from "../render/table.ts";
import { age, list, short, span } from "../render/values.ts";

function now(): number {
  return systemClock.wallMs();
}

export const jobColumns: readonly Column<Job>[] = [
  { head: "ID", cell: (job) => job.id },
  { head: "ACTION", cell: (job) => job.action },
  { head: "STATUS", cell: (job) => job.status },
  { head: "NODES", cell: progress },
  { head: "AGE", cell: (job) => age(job.createdAt, now()) },
  { head: "TOOK", cell: (job) => span(job.startedAt, job.endedAt, now()) },
  { head: "BY", cell: (job) => job.createdBy, wide: true },
  { head: "REVISION", cell: (job) => short(job.revision), wide: true },
  { head: "REASON", cell: (job) => job.reason, wide: true },
];

/** `3/5, 1 failed`: how many targets are done, and how many of those badly. */
function progress(job: Job): string {
  const nodes = Object.values(job.nodes);
  const done = nodes.filter((node) => node.endedAt !== null).length;
  const bad = nodes.filter((node) =>
    ["failed", "lost", "rolled-back"].includes(node.status),
  ).length;
  return `${done}/${nodes.length}${bad === 0 ? "" : `, ${bad} failed`}`;
}

type NamedNode = JobNode & { readonly name: string };

const nodeColumns: readonly Column<NamedNode>[] = [
  { head: "NODE", cell: (node) => node.name },
  { head: "STATUS", cell: (node) => node.status },
  { head: "STEP", cell: (node) => node.step ?? "-" },
  { head: "EXIT", cell: (node) => (node.exitCode === null ? "-" : String(node.exitCode)) },
  { head: "TOOK", cell: (node) => span(node.startedAt, node.endedAt, now()) },
  { head: "MESSAGE", cell: (node) => node.message.split("\n")[0] ?? "", shrinks: true },
];

export function jobLines(job: Job, size: TableSize): string {
  const nodes = Object.entries(job.nodes).map(([name, node]) => ({ name, ...node }));
  const fields: (readonly [string, string])[] = [
    ["job", job.id],
    ["action", job.action],
    ["status", job.status],
    ["revision", short(job.revision)],
    ["by", job.createdBy],
    ["created", job.createdAt],
    ["took", span(job.startedAt, job.endedAt, now())],
  ];
  if (job.reason !== "") fields.push(["reason", job.reason]);
  if (job.blockedBy.length > 0) fields.push(["blocked by", list(job.blockedBy)]);
  return `${renderFields(fields)}\n\n${renderTable(nodes, nodeColumns, size)}`;
}

export function planLines(plan: JobPlan, size: TableSize): string {
  const rows = plan.targets.map((name) => ({
    name,
    wave: plan.waves.findIndex((wave) => wave.includes(name)) + 1,
    roles: plan.nodes[name]?.roles ?? [],
  }));
  const columns: readonly Column<(typeof rows)[number]>[] = [
    { head: "NODE", cell: (row) => row.name },
    { head: "WAVE", cell: (row) => String(row.wave) },
    { head: "ROLES", cell: (row) => list(row.roles), shrinks: true },
  ];
  const head = `${plan.action} at revision ${short(plan.revision)}; nothing was changed`;
  const warnings = plan.warnings.map((warning) => `warning: ${warning}`);
  const blocked =
    plan.blockedBy.length === 0 ? [] : [`it would queue behind ${plan.blockedBy.join(", ")}`];
  return [head, ...blocked, ...warnings, renderTable(rows, columns, size)].join("\n");
}
