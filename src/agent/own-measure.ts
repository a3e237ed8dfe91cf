/**
 * Replicas hold the same log, so that with equal limits all of them would take a snapshot, or flush LevelDB's table, at
 * the same entry: a pause of one becomes a pause of the cluster. Each has a limit of its own, at most a quarter lower.
 */
import { crc32 } from "node:zlib";

const spread = 0.25;

export function ownMeasure(peer: string, most: number): number {
  return Math.ceil(most * (1 - (spread * crc32(peer)) / 2 ** 32));
}
