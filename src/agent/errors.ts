/**
 * Codes of an agent that cannot start or stay up. None of them changes what is stored.
 *
 * - `CONFIG_INVALID`: a flag, variable or config file key is wrong; the message names it and its source.
 * - `UNSUPPORTED`: asked for something this version does not have.
 * - `NO_CLUSTER`: the data directory belongs to no cluster, and no seed to join was given.
 * - `ALREADY_JOINED`: the data directory belongs to a cluster already; another cannot be formed in it.
 * - `CLUSTER_EXISTS`: bootstrap found an agent at a seed: a second cluster is not formed.
 * - `DATA_DIR_IN_USE`: another agent runs on this data directory.
 * - `DATA_DIR_FULL`: no room on the disk of the data directory to start on (exit code 75).
 * - `DATA_DIR_INVALID`: the data directory cannot be used (permission, not a directory, torn file).
 * - `IDENTITY_DOUBLED`: another agent, started earlier, runs with a copy of this data directory's key.
 * - `STORAGE_CORRUPT`: the Raft log lost or changed something acknowledged; the agent does not start on it.
 */
export type AgentCode =
  | "CONFIG_INVALID"
  | "UNSUPPORTED"
  | "NO_CLUSTER"
  | "ALREADY_JOINED"
  | "CLUSTER_EXISTS"
  | "DATA_DIR_IN_USE"
  | "DATA_DIR_FULL"
  | "DATA_DIR_INVALID"
  | "STORAGE_CORRUPT"
  | "IDENTITY_DOUBLED";
