/**
 * The first frame on every stream between members: wire version and cluster id. A stream counts as open only
 * when the other side has answered, because libp2p reports a stream as open before the remote took it.
 */
import { timingSafeEqual } from "node:crypto";

const version = 1;
const idBytes = 16;

export const HelloAnswer = { accepted: 0, foreignCluster: 1, unready: 2, malformed: 3 } as const;
export type HelloAnswer = (typeof HelloAnswer)[keyof typeof HelloAnswer];

export function encodeHello(clusterId: string): Uint8Array {
  return Buffer.concat([Buffer.of(version), Buffer.from(clusterId, "hex")]);
}

/** What to answer to `frame` by an agent of `clusterId` (null: it belongs to no cluster yet). */
export function judgeHello(frame: Uint8Array, clusterId: string | null): HelloAnswer {
  if (frame.byteLength !== 1 + idBytes || frame[0] !== version) return HelloAnswer.malformed;
  if (clusterId === null) return HelloAnswer.unready;
  const own = Buffer.from(clusterId, "hex");
  if (own.byteLength !== idBytes) return HelloAnswer.unready;
  return timingSafeEqual(own, frame.subarray(1))
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
