/**
 * Every protocol an agent speaks. The number is the wire version: an incompatible change gets a new one.
 * All but `join` are for members only, and a stream of a stranger is aborted before anything is sent.
 */
export const Protocol = {
  join: "/muster/join/1",
  ping: "/muster/ping/1",
  rpc: "/muster/rpc/1",
  bulk: "/muster/bulk/1",
  raft: "/muster/raft/1",
  raftBeat: "/muster/raft-hb/1",
  snapshot: "/muster/snap/1",
  swim: "/muster/swim/1",
} as const;
export type Protocol = (typeof Protocol)[keyof typeof Protocol];

export const memberProtocols: readonly Protocol[] = Object.values(Protocol).filter(
  (protocol) => protocol !== Protocol.join,
);
