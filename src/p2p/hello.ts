/**
 * The first frame on every stream between members: lowest and highest wire version spoken, and cluster id. A stream
 * counts as open only when the other side has answered, because libp2p reports a stream as open before the remote
 * took it. Two agents without a version in common refuse each other here, before either misreads the other.
 */
import { timingSafeEqual } from "node:crypto";

/** Versions of what is said on the streams of members. */
export const wireVersions = { min: 1, max: 1 } as const;
const idBytes = 16;

export const HelloAnswer = {
  ...{ accepted: 0, foreignCluster: 1, unready: 2, malformed: 3 },
  incompatible: 4,
} as const;
export type HelloAnswer = (typeof HelloAnswer)[keyof typeof HelloAnswer];

export function encodeHello(
  clusterId: string,
  { min, max }: { readonly min: number; readonly max: number } = wireVersions,
): Uint8Array {
  return Buffer.concat([Buffer.of(min, max), Buffer.from(clusterId, "hex")]);
}

/** What to answer to `frame` by an agent of `clusterId` (null: it belongs to no cluster yet). */
export function judgeHello(frame: Uint8Array, clusterId: string | null): HelloAnswer {
  const [min = 0, max = 0] = frame;
  if (frame.byteLength !== 2 + idBytes || min < 1 || min > max) return HelloAnswer.malformed;
  if (min > wireVersions.max || max < wireVersions.min) return HelloAnswer.incompatible;
  if (clusterId === null) return HelloAnswer.unready;
  const own = Buffer.from(clusterId, "hex");
  if (own.byteLength !== idBytes) return HelloAnswer.unready;
  return timingSafeEqual(own, frame.subarray(2))
    ? HelloAnswer.accepted
    : HelloAnswer.foreignCluster;
}

export function encodeAnswer(answer: HelloAnswer): Uint8Array {
  return Buffer.of(answer);
}

/** The answer in `frame`, or null when it is none. */
export function decodeAnswer(frame: Uint8Array): HelloAnswer | null {
  if (frame.byteLength !== 1) return null;
  return Object.values(HelloAnswer).find((answer) => answer === frame[0]) ?? null;
}
