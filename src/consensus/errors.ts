/** Codes of consensus, its storage and its driver. Codes are stable: callers and operators match on them. */
import { AgentError } from "../base/errors.ts";

export type ConsensusErrorCode =
  /** This agent does not lead; nothing happened. `details.leader` names who does, or null. */
  | "NOT_LEADER"
  /** No leader was found, or none confirmed the read, before the deadline; nothing happened. */
  | "NO_LEADER"
  /** Too much is under way; nothing happened. Retry after `details.retryAfterMs`. */
  | "BUSY"
  /** The command is larger than one entry may be; nothing happened. */
  | "TOO_LARGE"
  /** The command was sent but its fate is not known: it may be, or still become, committed. */
  | "UNKNOWN_OUTCOME"
  /** The node was stopped, or failed and stopped itself. */
  | "STOPPED"
  /** The replica did not reach the asked index before the deadline. */
  | "APPLY_TIMEOUT"
  /** A change of generation does not fit this agent's log or history; nothing was changed. */
  | "GENERATION_MISMATCH"
  /** The log on disk lacks or contradicts what was once acknowledged; the agent must not vote with it. */
  | "LOG_CORRUPT"
  /** Another process holds the log open. */
  | "LOG_LOCKED"
  /** The log cannot be opened for another reason (rights, disk full, I/O error). */
  | "LOG_OPEN_FAILED"
  /** A write or its fsync failed: final, the agent must restart. */
  | "LOG_WRITE_FAILED"
  /** A snapshot does not match its size or SHA-256. */
  | "SNAPSHOT_CORRUPT"
  /** A snapshot with this id is not (or no longer) here. */
  | "SNAPSHOT_UNKNOWN"
  /** A snapshot cannot be written (disk full, I/O error); the earlier one is intact. */
  | "SNAPSHOT_WRITE_FAILED";

export class ConsensusError extends AgentError<ConsensusErrorCode> {}
