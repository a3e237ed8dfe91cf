/**
 * The ledger of a node: what was applied to it. It is bounded, but what a cleanup, a verification or a repair
 * must know is never dropped: the newest run of each action of each role, and the newest that succeeded.
 */
import { type JsonObject } from "../base/json.ts";
import { type PeerId } from "../base/ids.ts";
import { type ActionName, type FinishedRun, type LedgerRecord } from "./records.ts";
import { type Draft } from "./draft.ts";
import { type InventoryView } from "./view.ts";
import { limits } from "./limits.ts";

interface Recorded {
  readonly node: string;
  readonly job: string;
  readonly vars: JsonObject;
  readonly varsDigest: string;
  readonly transcripts?: readonly PeerId[];
}

/** Writes a run that ended into the ledger; the caller has checked that it is not there yet. */
export function recordRun(draft: Draft, run: FinishedRun, recorded: Recorded): void {
  const { node } = recorded;
  const transcripts = (recorded.transcripts ?? []).slice(0, limits.transcriptPeers);
  draft.put("ledger", `${node}/${run.id}`, {
    ...run,
    ...recorded,
    transcripts,
    index: draft.index,
  });
  draft.emit(
    "run.finished",
    `node/${node}`,
    `${run.action} of role "${run.role}" on node "${node}": ${run.outcome}`,
    {
      run: run.id,
      job: recorded.job,
      role: run.role,
      action: run.action,
      outcome: run.outcome,
      exitCode: run.exitCode,
    },
  );
  trimLedger(draft, node);
}

/** The newest run of an action of a role on a node; `succeeded` looks only at those that did. */
export function newestRun(
  view: InventoryView,
  node: string,
  wanted: { readonly role: string; readonly action: ActionName; readonly succeeded?: boolean },
): LedgerRecord | null {
  const found = view
    .ledger(node)
    .findLast(
      (entry) =>
        entry.role === wanted.role &&
        entry.action === wanted.action &&
        (wanted.succeeded !== true || entry.outcome === "succeeded"),
    );
  return found ?? null;
}

/** Ids of entries that are kept whatever the age of the ledger. */
export function pinnedRuns(ledger: readonly LedgerRecord[]): ReadonlySet<string> {
  const newest = new Map<string, string>();
  for (const { id, role, action, outcome } of ledger) {
    newest.set(`${role}/${action}`, id);
    if (outcome === "succeeded") newest.set(`${role}/${action}/succeeded`, id);
  }
  return new Set(newest.values());
}

/** Drops what is beyond the limit, oldest first, but never what is pinned. */
export function trimLedger(draft: Draft, node: string): void {
  const ledger = draft.view.ledger(node);
  let excess = ledger.length - limits.ledgerPerNode;
  if (excess <= 0) return;
  const pinned = pinnedRuns(ledger);
  for (const { id } of ledger) {
    if (excess <= 0) return;
    if (pinned.has(id)) continue;
    draft.delete("ledger", `${node}/${id}`);
    excess -= 1;
  }
}
