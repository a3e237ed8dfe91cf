/** Nodes as text: one line in a list, a screen for one. */
import { type Node } from "../../api/contract/nodes.ts";
import { systemClock } from "../../base/clock.ts";
import { type Column, renderFields, renderTable, type TableSize } from "../render/table.ts";
import { age, bytes, list, pairs, short } from "../render/values.ts";

export const nodeColumns: readonly Column<Node>[] = [
  { head: "NAME", cell: (node) => node.name },
  { head: "PHASE", cell: (node) => node.phase },
  { head: "REACHABILITY", cell: (node) => node.reachability },
  { head: "CONFIGURED", cell: configured },
  { head: "ROLES", cell: (node) => list(node.roles), shrinks: true },
  { head: "JOB", cell: (node) => node.job ?? "-" },
  { head: "ADDRESS", cell: (node) => node.address, wide: true },
  { head: "REVISION", cell: (node) => short(node.revision), wide: true },
  { head: "OS", cell: (node) => system(node), wide: true },
  { head: "CPUS", cell: (node) => String(node.facts?.cpu.count ?? "-"), wide: true },
  { head: "MEMORY", cell: memory, wide: true },
  { head: "LABELS", cell: (node) => pairs(node.labels), wide: true },
];

function configured(node: Node): string {
  return node.conditions.find((condition) => condition.type === "Configured")?.status ?? "-";
}

function system(node: Node): string {
  return node.facts === null ? "-" : `${node.facts.os} ${node.facts.osVersion}`;
}

function memory(node: Node): string {
  return node.facts === null ? "-" : bytes(node.facts.memory.totalBytes);
}

export function nodeLines(node: Node, size: TableSize): string {
  const parts = [
    renderFields([
      ["name", node.name],
      ["id", node.id],
      ["phase", node.phase],
      ["reachability", node.reachability],
      ["address", node.address],
      ["roles", list(node.roles)],
      ["labels", pairs(node.labels)],
      ["vars", pairs(node.vars)],
      ["revision", short(node.revision)],
      ["job", node.job ?? "-"],
      ["last job", node.lastJob ?? "-"],
      ...factFields(node),
    ]),
    conditionTable(node, size),
    historyTable(node, size),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function factFields(node: Node): (readonly [string, string])[] {
  const { facts } = node;
  if (facts === null) return [["facts", "not gathered yet"]];
  return [
    ["os", `${facts.os} ${facts.osVersion}, kernel ${facts.kernel}, ${facts.arch}`],
    ["cpu", `${facts.cpu.count} × ${facts.cpu.model}`],
    ["memory", bytes(facts.memory.totalBytes)],
    ["disks", list(facts.disks.map((disk) => `${disk.name} ${bytes(disk.sizeBytes)}`))],
    ["nics", list(facts.nics.map((nic) => `${nic.name} ${nic.addresses.join(" ")}`))],
    ["serial", facts.serial === "" ? "-" : facts.serial],
    ["boot id", facts.bootId],
    ["agent", facts.agentVersion],
  ];
}

function conditionTable(node: Node, size: TableSize): string {
  if (node.conditions.length === 0) return "";
  const now = systemClock.wallMs();
  const columns: readonly Column<Node["conditions"][number]>[] = [
    { head: "CONDITION", cell: (condition) => condition.type },
    { head: "STATUS", cell: (condition) => condition.status },
    { head: "FOR", cell: (condition) => age(condition.since, now) },
    { head: "REASON", cell: (condition) => condition.reason },
    { head: "MESSAGE", cell: (condition) => condition.message, shrinks: true },
  ];
  return renderTable(node.conditions, columns, size);
}

function historyTable(node: Node, size: TableSize): string {
  if (node.history.length === 0) return "";
  const columns: readonly Column<Node["history"][number]>[] = [
    { head: "TIME", cell: (entry) => entry.at },
    { head: "CHANGE", cell: (entry) => `${entry.from ?? ""} -> ${entry.to}`.trim() },
    { head: "BY", cell: (entry) => entry.by },
    { head: "REASON", cell: (entry) => entry.reason, shrinks: true },
  ];
  return renderTable(node.history.slice(-10), columns, size);
}
