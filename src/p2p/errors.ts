/**
 * The stable codes of everything the mesh can refuse or fail at. `AgentError` carries them; those of a remote
 * handler travel unchanged. Final for a join (`finalRefusals`): trying again with the same token is useless.
 */
export const P2pCode = {
  identityMissing: "IDENTITY_MISSING",
  identityCorrupt: "IDENTITY_CORRUPT",
  identityPermissions: "IDENTITY_PERMISSIONS",
  identityUnreadable: "IDENTITY_UNREADABLE",
  addressInvalid: "ADDRESS_INVALID",
  seedUnresolved: "SEED_UNRESOLVED",
  portInUse: "PORT_IN_USE",
  listenFailed: "LISTEN_FAILED",
  frameTooLarge: "FRAME_TOO_LARGE",
  frameMalformed: "FRAME_MALFORMED",
  streamRefused: "STREAM_REFUSED",
  incompatible: "PROTOCOL_INCOMPATIBLE",
  streamStalled: "STREAM_STALLED",
  streamReplaced: "STREAM_REPLACED",
  notMember: "NOT_MEMBER",
  hostStopped: "MESH_STOPPED",
  peerUnreachable: "PEER_UNREACHABLE",
  peerLost: "PEER_LOST",
  rpcTimeout: "RPC_TIMEOUT",
  rpcOverloaded: "RPC_OVERLOADED",
  rpcTooLarge: "RPC_TOO_LARGE",
  rpcCancelled: "RPC_CANCELLED",
  rpcFailed: "RPC_FAILED",
  unknownMethod: "UNKNOWN_METHOD",
  tokenMalformed: "TOKEN_MALFORMED",
  tokenInvalid: "TOKEN_INVALID",
  tokenExpired: "TOKEN_EXPIRED",
  tokenUsed: "TOKEN_USED",
  tokenName: "TOKEN_NAME",
  noLeader: "NO_LEADER",
  memberEvicted: "MEMBER_EVICTED",
  foreignCluster: "FOREIGN_CLUSTER",
  joinBusy: "JOIN_BUSY",
  joinFailed: "JOIN_FAILED",
} as const;
export type P2pCode = (typeof P2pCode)[keyof typeof P2pCode];

/** Refusals of a join that no retry can change. */
export const finalRefusals: readonly string[] = [
  P2pCode.tokenMalformed,
  P2pCode.tokenInvalid,
  P2pCode.tokenExpired,
  P2pCode.tokenUsed,
  P2pCode.tokenName,
  P2pCode.memberEvicted,
  P2pCode.foreignCluster,
];
