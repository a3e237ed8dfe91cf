/**
 * How much of the log stays behind a snapshot. Who got one needs every entry behind it, also those that were written
 * during a transfer of minutes: were they gone by then, it would be sent another one, and so on for as long as there
 * are many writes. So the log is kept from where members that catch up are, within bounds.
 */
import { type Index, type NodeId, type PeerProgress, type SnapshotMeta } from "../core/types.ts";

export interface RetentionLimits {
  readonly trailingEntries: number;
  readonly trailingBytes: number;
}

export interface LogExtent {
  readonly first: Index;
  readonly last: Index;
  readonly bytes: number;
}

/** A follower that was silent for longer is waited for no more. */
const silentTicks = 200;
/** After a transfer, until the member has read the snapshot and asks for entries. */
const settlingMs = 60_000;

/**
 * First entry to keep in the log once `meta` is durable. What a member needs is kept as long as that is no more than
 * another snapshot would be: who falls back further cannot catch up by entries, either, and holds up nobody else.
 * @param needed per member that catches up, the first entry that it needs
 */
export function keepFrom(
  meta: Pick<SnapshotMeta, "index" | "sizeBytes">,
  { first, last, bytes }: LogExtent,
  { limits, needed }: { readonly limits: RetentionLimits; readonly needed: readonly Index[] },
): Index {
  const average = Math.max(1, bytes / Math.max(1, last - first + 1));
  const trailing = Math.min(limits.trailingEntries, Math.floor(limits.trailingBytes / average));
  const usual = Math.max(first, meta.index - trailing + 1);
  const most = Math.max(limits.trailingBytes, meta.sizeBytes);
  const within = needed.filter((index) => (last - index + 1) * average <= most);
  return Math.max(first, Math.min(usual, ...within));
}

/** Of followers in sight that are sent entries, the first one that each still needs. */
export function neededBy(peers: ReadonlyMap<NodeId, PeerProgress>): readonly Index[] {
  const inSight = [...peers.values()].filter(
    ({ state, ticksSinceAck }) => state === "replicate" && ticksSinceAck <= silentTicks,
  );
  return inSight.map(({ match }) => match + 1);
}

/** Snapshots that are being sent, or just were: what is behind them is needed. */
export class SentSnapshots {
  readonly #sent = new Map<NodeId, { readonly index: Index; untilMs: number }>();

  begun(to: NodeId, index: Index): void {
    this.#sent.set(to, { index, untilMs: Infinity });
  }

  ended(to: NodeId, ok: boolean, nowMs: number): void {
    const sent = this.#sent.get(to);
    if (sent === undefined) return;
    if (ok) sent.untilMs = nowMs + settlingMs;
    else this.#sent.delete(to);
  }

  /** Per member that gets one, or just did, the first entry that it needs. */
  needed(nowMs: number): readonly Index[] {
    for (const [to, { untilMs }] of this.#sent) if (untilMs < nowMs) this.#sent.delete(to);
    return [...this.#sent.values()].map(({ index }) => index + 1);
  }
}
