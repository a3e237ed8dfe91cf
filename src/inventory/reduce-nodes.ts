/** What is observed of nodes (reachability, facts), and what the operator wants of them (labels, roles, vars). */
import {
  type Json,
  type JsonObject,
  canonicalJson,
  isJsonObject,
  mergePatch,
} from "../base/json.ts";
import { type CommandType } from "./commands.ts";
import { type CommandOf } from "./command-shapes.ts";
import { type Draft } from "./draft.ts";
import { type Facts, type NodeRecord } from "./records.ts";
import {
  type Handlers,
  type Outcome,
  done,
  invalid,
  notFound,
  refuse,
  versionRefusal,
} from "./outcome.ts";
import { addHistory, setCondition, updateNode } from "./node-changes.ts";
import {
  checkJson,
  checkLabel,
  checkName,
  checkNames,
  checkText,
  checkVars,
  firstProblem,
} from "./names.ts";
import { limits } from "./limits.ts";
import { nodeVersion } from "./node-version.ts";
import { setAddress } from "./reduce-members.ts";

/** Condition `Configured` says so when roles changed while a job was already at work on the node. */
export const rolesChangedMeanwhile = "RolesChangedMeanwhile";

export const nodeHandlers: Handlers<
  Extract<CommandType, "node.reachability" | "node.facts" | "node.log" | "node.patch">
> = {
  "node.reachability": changeReachability,
  "node.facts": changeFacts,
  "node.log": markLog,
  "node.patch": patchNode,
};

type ReachabilityChange = CommandOf<"node.reachability">["changes"][0];

function changeReachability(draft: Draft, command: CommandOf<"node.reachability">): Outcome {
  const most = limits.reachabilityChanges;
  if (command.changes.length > most) {
    return refuse("LIMIT", `${command.changes.length} changes in one entry; at most ${most}`);
  }
  const problem =
    firstProblem(command.changes, ({ address }) =>
      checkText("address", address ?? "", limits.addressLength),
    ) ?? doubtProblem(command.doubt);
  if (problem !== null) return invalid("change reachability", problem);
  let changed = 0;
  for (const change of command.changes) if (observe(draft, change)) changed += 1;
  if (command.doubt !== undefined) markDoubt(draft, command.doubt);
  return done({ changed });
}

type Doubt = NonNullable<CommandOf<"node.reachability">["doubt"]>;

function doubtProblem(doubt: Doubt | undefined): string | null {
  const cause = doubt?.cause ?? null;
  if (cause === null) return null;
  return (
    checkName("reason", cause.reason) ?? checkText("message", cause.message, limits.textLength)
  );
}

/** The condition is on the node of the leader that doubts, and goes from that of any leader before. */
function markDoubt(draft: Draft, { observer, cause }: Doubt): void {
  const type = "MembershipUncertain";
  for (const { id, name } of draft.view.nodes()) {
    const isDoubting = id === observer && cause !== null;
    const status = isDoubting ? "True" : "False";
    const { reason, message } = isDoubting ? cause : { reason: "Certain", message: "" };
    setCondition(draft, name, { type, status, reason, message });
  }
}

/** False when nothing changed: unknown and evicted agents, and views that are no news. */
function observe(draft: Draft, { id, reachability, address }: ReachabilityChange): boolean {
  const node = draft.view.nodeById(id);
  const member = draft.view.member(id);
  if (node === null || member === null) return false;
  const moved = address !== undefined && address !== node.address;
  if (moved) setAddress(draft, member, address);
  if (node.reachability === reachability) return moved;
  updateNode(draft, node.name, { reachability, reachabilitySince: draft.at });
  const change = { from: node.reachability, to: reachability };
  addHistory(draft, node.name, {
    kind: "reachability",
    ...change,
    reason: "seen by gossip",
    job: null,
  });
  draft.emit(
    "node.reachability",
    `node/${node.name}`,
    `Node "${node.name}" is ${reachability}`,
    change,
  );
  return true;
}

function markLog(draft: Draft, { id, damage }: CommandOf<"node.log">): Outcome {
  const node = draft.view.nodeById(id);
  if (node === null) return notFound("member", id);
  const problem = damage === null ? null : checkText("damage", damage, limits.textLength);
  if (problem !== null) return invalid(`mark the log of node "${node.name}"`, problem);
  const type = "LogSalvaged";
  if (damage === null) {
    setCondition(draft, node.name, { type, status: "False", reason: "CaughtUp", message: "" });
    return done();
  }
  const message =
    `The log of its agent was damaged (${damage}) and started over from the sound part; it votes again when it has ` +
    "got from the others what is missing. Look at its disk";
  setCondition(draft, node.name, { type, status: "True", reason: "Damaged", message });
  return done();
}

function changeFacts(draft: Draft, { id, facts, address }: CommandOf<"node.facts">): Outcome {
  const node = draft.view.nodeById(id);
  const member = draft.view.member(id);
  if (node === null || member === null) return notFound("member", id);
  const problem =
    checkJson("facts", facts as unknown as Json, limits.factsBytes) ??
    checkText("address", address, limits.addressLength);
  if (problem !== null) return invalid(`write facts of node "${node.name}"`, problem);
  setAddress(draft, member, address);
  const fields = changedFields(node.facts, facts);
  if (fields.length === 0) return done({ changed: [] });
  updateNode(draft, node.name, { facts });
  const subject = `node/${node.name}`;
  const what = node.facts === null ? "are known" : `changed: ${fields.join(", ")}`;
  draft.emit("node.facts", subject, `Facts of node "${node.name}" ${what}`, { fields });
  if (node.facts !== null && node.facts.bootId !== facts.bootId) {
    draft.emit("node.rebooted", subject, `Node "${node.name}" was restarted`, {
      bootId: facts.bootId,
    });
  }
  return done({ changed: fields });
}

function changedFields(before: Facts | null, after: Facts): readonly string[] {
  const old: Readonly<Record<string, unknown>> = { ...before };
  return Object.entries(after)
    .filter(([key, value]) => canonicalJson(value) !== canonicalJson(old[key]))
    .map(([key]) => key)
    .sort();
}

function patchNode(draft: Draft, command: CommandOf<"node.patch">): Outcome {
  const node = draft.view.node(command.node);
  const stale = versionRefusal(
    `node "${command.node}"`,
    command.ifVersion,
    nodeVersion(draft.view, command.node),
  );
  if (node === null) return stale ?? notFound("node", command.node);
  if (stale !== null) return stale;
  const problem =
    patchLabels(draft, node, command.labels) ??
    patchRoles(draft, node, command.roles) ??
    patchVars(draft, node, command.vars);
  if (problem !== null) return invalid(`change node "${node.name}"`, problem);
  return done({ version: nodeVersion(draft.view, node.name) });
}

function patchLabels(
  draft: Draft,
  { name }: NodeRecord,
  patch: CommandOf<"node.patch">["labels"],
): string | null {
  if (patch === undefined) return null;
  const problem = firstProblem(Object.entries(patch), ([key, value]) => checkLabel(key, value));
  if (problem !== null) return problem;
  const { labels: before, stamps } = draft.view.labels(name);
  const labels: Record<string, string> = { ...before };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete labels[key];
    else labels[key] = value;
  }
  const count = Object.keys(labels).length;
  if (count > limits.labelsPerNode) return `${count} labels; at most ${limits.labelsPerNode}`;
  if (canonicalJson(before) === canonicalJson(labels)) return null;
  const changed = Object.keys(patch).filter((key) => before[key] !== labels[key]);
  draft.put("label", name, { labels, stamps: stamped(stamps, changed, { labels, draft }) });
  const change = { from: labelText(before), to: labelText(labels) };
  addHistory(draft, name, { kind: "labels", ...change, reason: "set by operator", job: null });
  draft.emit("node.labels", `node/${name}`, `Labels of node "${name}": ${change.to}`, { labels });
  return null;
}

/** Keys that are gone keep their stamp, as many of the newest as there may be labels. */
function stamped(
  stamps: Readonly<Record<string, number>>,
  changed: readonly string[],
  { labels, draft }: { readonly labels: Readonly<Record<string, string>>; readonly draft: Draft },
): Record<string, number> {
  const all = { ...stamps, ...Object.fromEntries(changed.map((key) => [key, draft.index])) };
  const isGone = ([key]: readonly [string, number]): boolean => !Object.hasOwn(labels, key);
  const gone = Object.entries(all).filter(isGone);
  const newest = gone.toSorted((a, b) => b[1] - a[1]).slice(0, limits.labelsPerNode);
  const kept = Object.entries(all).filter((entry) => !isGone(entry));
  return Object.fromEntries([...kept, ...newest]);
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return pairs.sort().join(", ") || "none";
}

function patchRoles(
  draft: Draft,
  { name }: NodeRecord,
  assigned: readonly string[] | undefined,
): string | null {
  if (assigned === undefined) return null;
  const problem = checkNames("role", assigned, limits.rolesPerNode);
  if (problem !== null) return problem;
  const spec = draft.view.spec(name);
  const roles = [...new Set(assigned)].sort();
  if (canonicalJson(roles) === canonicalJson(spec.roles)) return null;
  draft.put("spec", name, { ...spec, roles });
  const change = { from: spec.roles.join(", ") || "none", to: roles.join(", ") || "none" };
  addHistory(draft, name, { kind: "spec", ...change, reason: "roles assigned", job: null });
  draft.emit("node.roles", `node/${name}`, `Roles of node "${name}": ${change.to}`, {
    from: spec.roles,
    to: roles,
  });
  markRolesChanged(draft, name, { from: spec.roles, to: roles });
  return null;
}

/** A node that is configured, or is being, has not got the roles it is meant to have now. */
export function markRolesChanged(
  draft: Draft,
  name: string,
  { from, to }: { readonly from: readonly string[]; readonly to: readonly string[] },
): void {
  const phase = draft.view.node(name)?.phase;
  const atWork = phase === "commissioning" || phase === "upgrading";
  if (phase !== "commissioned" && !atWork) return;
  const [before, after] = [from, to].map((roles) => roles.join(", ") || "none");
  setCondition(draft, name, {
    type: "Configured",
    status: "Unknown",
    reason: atWork ? rolesChangedMeanwhile : "RolesChanged",
    message: `Roles changed from ${before} to ${after}; upgrade the node to apply them`,
  });
}

/** Values stay out of history and events: they may be secret. */
function patchVars(
  draft: Draft,
  { name }: NodeRecord,
  patch: JsonObject | undefined,
): string | null {
  if (patch === undefined) return null;
  const unfit = checkVars("vars", patch);
  if (unfit !== null) return unfit;
  const spec = draft.view.spec(name);
  const merged = mergePatch(spec.vars, patch);
  const vars = isJsonObject(merged) ? merged : {};
  const problem = checkVars("vars", vars);
  if (problem !== null) return problem;
  if (canonicalJson(vars) === canonicalJson(spec.vars)) return null;
  draft.put("spec", name, { ...spec, vars });
  const keys = Object.keys(patch).sort();
  addHistory(draft, name, {
    kind: "spec",
    from: null,
    to: `vars: ${keys.join(", ")}`,
    reason: "set by operator",
    job: null,
  });
  draft.emit("node.vars", `node/${name}`, `Vars of node "${name}" changed: ${keys.join(", ")}`, {
    keys,
  });
  return null;
}
