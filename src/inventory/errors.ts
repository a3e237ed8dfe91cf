/** Errors that this folder throws (refusals of commands are values: `CommandCode` in commands.ts). */
import { AgentError } from "../base/errors.ts";

export type InventoryErrorCode =
  /** A selector without a term: everything must be asked for with `--all`. */
  | "EMPTY_SELECTOR"
  /** A selector that cannot be read; details: `position` (from 1). */
  | "INVALID_SELECTOR"
  /** A role that the revision does not define; details: `role`, `known`. */
  | "ROLE_UNKNOWN"
  /** Roles that require each other; details: `cycle`. */
  | "ROLE_CYCLE"
  /** A revision that the inventory does not have. */
  | "REVISION_UNKNOWN"
  /** Bytes that are no command: not proposed. */
  | "COMMAND_INVALID"
  /** An entry or snapshot of a newer schema: this agent must be upgraded. The state is unchanged. */
  | "SCHEMA_TOO_NEW"
  /** A snapshot that cannot be read. The state is unchanged. */
  | "SNAPSHOT_INVALID"
  /** Pages of another history that cannot be read. The state is unchanged. */
  | "MERGE_INVALID"
  /** More changes since the fork than one merge takes. */
  | "MERGE_TOO_LARGE";

export class InventoryError extends AgentError<InventoryErrorCode> {}
