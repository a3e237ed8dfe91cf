/** Which revisions are kept: all that anything still refers to, and the newest others. */
import { type Draft } from "./draft.ts";
import { type InventoryView } from "./view.ts";
import { limits } from "./limits.ts";
import { pinnedRuns } from "./ledger.ts";

/** Drops revisions beyond the newest `limits.revisions` to which nothing refers. */
export function trimRevisions(draft: Draft): void {
  const revisions = draft.view.revisions();
  if (revisions.length <= limits.revisions) return;
  const newest = revisions.toSorted((a, b) => b.version - a.version);
  const kept = referencedRevisions(draft.view);
  for (const { commit } of newest.slice(limits.revisions)) {
    if (!kept.has(commit)) draft.delete("revision", commit);
  }
}

/** Commits in force, on a node, in an active job, or in a ledger entry that a cleanup may need. */
export function referencedRevisions(view: InventoryView): ReadonlySet<string> {
  const commits = new Set<string | null>([view.config().current]);
  for (const node of view.nodes()) {
    commits.add(node.revision);
    const ledger = view.ledger(node.name);
    const pinned = pinnedRuns(ledger);
    for (const entry of ledger) if (pinned.has(entry.id)) commits.add(entry.revision);
  }
  for (const job of view.activeJobs()) {
    commits.add(job.revision);
    for (const { current } of Object.values(job.nodes)) commits.add(current?.revision ?? null);
  }
  commits.delete(null);
  return commits as ReadonlySet<string>;
}
