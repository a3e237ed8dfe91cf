/**
 * What must be judged in one go, when an export is merged part by part: half of it says something else. Members, nodes
 * and what they may do; and every job that a node's record of this export may speak of. That is a live one, and one
 * that both sides had at the fork, though it has ended here: while only the node came, which nobody holds any more, the
 * other side would end its own work on it, and then could not tell that from what it never wrote.
 */
import { type StoredRecord } from "../record-types.ts";
import { type EventRecord, type JobRecord } from "../records.ts";
import { isActive } from "../state.ts";

const kinds = ["cluster", "config", "keyring", "member", "node", "revision", "settings", "token"];

/** Of records that changed since the fork; `image` has the events, which tell what was made since. */
export function hangingTogether(
  image: readonly StoredRecord[],
  fork: number,
): (record: StoredRecord) => boolean {
  const made = jobsMadeSince(image, fork);
  return ({ key, value }) => {
    const [kind = ""] = key.split("/", 1);
    if (kind !== "job") return kinds.includes(kind);
    return isActive(value as JobRecord) || !made.has(key);
  };
}

/**
 * Those of which it is sure: events are bounded. What came by a merge was made elsewhere, the other side may have it
 * from there, too.
 */
function jobsMadeSince(image: readonly StoredRecord[], fork: number): ReadonlySet<string> {
  const batches = image.filter(({ key, modIndex }) => modIndex > fork && key.startsWith("event/"));
  const events = batches.flatMap(({ value }) => value as unknown as readonly EventRecord[]);
  const made = events.filter(
    ({ type, data }) => type === "job.created" && data["originalIndex"] === undefined,
  );
  return new Set(made.map(({ subject }) => subject));
}
