/** Everything the engine needs to run what the inventory asks for, from the replica alone. */
import { type JsonObject } from "../base/json.ts";
import { type RunSpec } from "../config-engine/ports.ts";
import { inventoryDocument } from "../inventory/inventory-document.ts";
import { type CurrentRun, type JobRecord, type NodeRecord } from "../inventory/records.ts";
import { secretNames, secretValues } from "../inventory/vars.ts";
import { type InventoryView } from "../inventory/view.ts";

/** The run that the inventory has in progress on a node. */
export interface Assignment {
  readonly job: JobRecord;
  readonly node: NodeRecord;
  readonly run: CurrentRun;
}

/** What runs on `node` by the replica at hand; null when nothing does. */
export function assignmentOf(view: InventoryView, node: NodeRecord | null): Assignment | null {
  const job = node === null || node.job === null ? null : view.job(node.job);
  if (node === null || job === null) return null;
  const run = job.nodes[node.name]?.current ?? null;
  return run === null ? null : { job, node, run };
}

export type BuiltSpec =
  | { readonly ok: true; readonly spec: RunSpec }
  | { readonly ok: false; readonly message: string };

export function buildRunSpec(
  view: InventoryView,
  { job, node, run }: Assignment,
  vars: JsonObject,
): BuiltSpec {
  const revision = view.revision(run.revision);
  if (revision === null) {
    return { ok: false, message: `revision ${run.revision} is no longer in the inventory` };
  }
  const action = revision.manifest.roles[run.role]?.actions[run.action];
  if (action === undefined) {
    const message = `role "${run.role}" has no action ${run.action} at revision ${run.revision}`;
    return { ok: false, message };
  }
  const { id, role, attempt, timeoutMs } = run;
  const spec: RunSpec = {
    id,
    job: job.id,
    node: node.name,
    role,
    action: run.action,
    attempt,
    revision: run.revision,
    bundle: { sha256: revision.bundle, sizeBytes: revision.bundleBytes },
    path: action.path,
    timeoutMs,
    vars,
    inventory: inventoryDocument(view, run.revision),
    secretValues: secretValues(vars, secretNames(view)),
  };
  return { ok: true, spec };
}
