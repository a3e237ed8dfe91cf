/**
 * Arithmetic of suspicion timers (Lifeguard §IV-B; memberlist suspicion.go). A suspicion starts long and
 * shrinks with each independent confirmation, logarithmically, down to the minimum at K confirmations.
 */
import { type GossipOptions } from "../options.ts";

/** Shortest suspicion: α · max(1, log10 N) · probe interval. */
export function suspicionMinMs(options: GossipOptions, members: number): number {
  const scale = Math.max(1, Math.log10(Math.max(1, members)));
  return options.suspicionMult * scale * options.probeIntervalMs;
}

/** Confirmations expected; none when the cluster is too small to give them. */
export function expectedConfirmations(options: GossipOptions, members: number): number {
  if (!options.lifeguard.suspicion) return 0;
  return members - 2 < options.confirmations ? 0 : options.confirmations;
}

export interface SuspicionBounds {
  readonly minMs: number;
  readonly maxMs: number;
  readonly expected: number;
}

export function suspicionBounds(options: GossipOptions, members: number): SuspicionBounds {
  const minMs = suspicionMinMs(options, members);
  const expected = expectedConfirmations(options, members);
  return { minMs, maxMs: expected === 0 ? minMs : minMs * options.suspicionMaxMult, expected };
}

/** How long a suspicion with `confirmed` independent confirmations lasts in all. */
export function suspicionTimeoutMs(bounds: SuspicionBounds, confirmed: number): number {
  if (bounds.expected < 1) return bounds.minMs;
  const share = Math.log(confirmed + 1) / Math.log(bounds.expected + 1);
  const timeout = bounds.maxMs - (bounds.maxMs - bounds.minMs) * share;
  return Math.max(bounds.minMs, Math.floor(timeout));
}

/** Times that one member may send one rumour: mult · ⌈log10(N + 1)⌉. */
export function transmitLimit(retransmitMult: number, members: number): number {
  return retransmitMult * Math.ceil(Math.log10(members + 1));
}

/** memberlist's pushPullScale: the calm period grows with the logarithm of the size above 32 members. */
export function syncScale(members: number): number {
  return members <= 32 ? 1 : Math.ceil(Math.log2(members) - 5) + 1;
}
