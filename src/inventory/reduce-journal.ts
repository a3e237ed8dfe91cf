/** What an operator decides of the journal: the other side's value comes in force after all, or is done with. */
import { type JsonObject } from "../base/json.ts";
import { asPeerId } from "../base/ids.ts";
import { type CommandType } from "./commands.ts";
import { type Draft } from "./draft.ts";
import { type JournalRecord, type Resolution } from "./lineage-records.ts";
import { isOperatorPrefix, putValue } from "./merge/put-value.ts";
import { type Handlers, type Outcome, type Refusal, done, notFound, refuse } from "./outcome.ts";
import { removeNode } from "./reduce-forget.ts";

interface Named {
  readonly generation: string;
  readonly key: string;
}

export const journalHandlers: Handlers<Extract<CommandType, "journal.apply" | "journal.discard">> =
  {
    "journal.apply": (draft, command) => resolve(draft, command, "applied"),
    "journal.discard": (draft, command) => resolve(draft, command, "discarded"),
  };

/** Asked again for the same it changes nothing. */
function resolve(draft: Draft, named: Named, to: "applied" | "discarded"): Outcome {
  const entry = draft.view.get("journal", `${named.generation}/${named.key}`);
  if (entry === null) return notFound("conflict", named.key);
  if (entry.resolution === to) return done({ id: entry.id });
  if (entry.resolution !== "pending") {
    return refuse("ILLEGAL_MOVE", `Conflict "${entry.id}" is ${wordOf(entry)} already`, {
      resolution: entry.resolution,
    });
  }
  const refusal = to === "applied" ? apply(draft, entry) : null;
  if (refusal !== null) return refusal;
  draft.put("journal", `${entry.generation}/${entry.key}`, {
    ...entry,
    resolution: to,
    resolvedBy: draft.by,
    resolvedAt: draft.at,
  });
  draft.emit(`conflict.${to}`, `conflict/${entry.id}`, `Conflict about ${entry.key} ${to}`, {
    key: entry.key,
    generation: entry.generation,
  });
  return done({ id: entry.id });
}

function wordOf({ resolution }: { readonly resolution: Resolution }): string {
  return resolution === "superseded" ? "decided by the rule of its kind" : resolution;
}

function apply(draft: Draft, entry: JournalRecord): Refusal | null {
  const slash = entry.key.indexOf("/");
  const prefix = slash < 0 ? entry.key : entry.key.slice(0, slash);
  const id = slash < 0 ? "" : entry.key.slice(slash + 1);
  // An eviction is about who it is, not about where it was seen last.
  if (prefix === "member") return evict(draft, entry, id);
  const current = versionOf(draft, prefix, id);
  if (current !== entry.winnerVersion) {
    const now = current === 0 ? "does not exist any more" : `is at version ${current} now`;
    return refuse(
      "CONFLICT",
      `Cannot apply conflict "${entry.id}": ${entry.key} was changed since the merge and ${now}; ` +
        "look at both values, write what should be, and discard the conflict",
      { current, decidedAgainst: entry.winnerVersion },
    );
  }
  if (!isOperatorPrefix(prefix))
    return refuse("INVALID", `Conflicts about ${prefix} cannot be applied`);
  if ((prefix === "spec" || prefix === "label") && draft.view.node(id) === null) {
    return notFound("node", id);
  }
  putValue(draft, { prefix, id }, entry.loserValue as JsonObject | null);
  return null;
}

function versionOf(draft: Draft, prefix: string, id: string): number {
  if (prefix === "config") return draft.view.config().sourceVersion;
  return isOperatorPrefix(prefix) ? draft.view.modIndex(prefix, id) : 0;
}

function evict(draft: Draft, entry: JournalRecord, id: string): Refusal | null {
  const node = draft.view.nodeById(asPeerId(id));
  if (node === null) return notFound("member", id);
  const admitted = draft.view.members().filter(({ status }) => status === "admitted");
  if (admitted.length <= 1) {
    return refuse(
      "CONFLICT",
      `Cannot forget node "${node.name}": it is the last member of the cluster`,
    );
  }
  removeNode(draft, node, { reason: `conflict ${entry.id} applied`, force: true });
  return null;
}
