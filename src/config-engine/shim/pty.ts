/**
 * The only file that knows node-pty. Of it we use the native `open` alone: its JavaScript side loses the last
 * output of short commands on some kernels. `native` is not its public interface, so the version is pinned, and
 * a test would see lost output.
 */
import { closeSync, constants, openSync } from "node:fs";
import * as nodePty from "node-pty";
import { assert } from "../../base/assert.ts";

export interface Terminal {
  /** Our end; non-blocking, and not closed on exec. */
  readonly master: number;
  /** The command's end: one descriptor to give away, and its path to open another. */
  readonly slave: number;
  readonly slavePath: string;
}

interface NativePty {
  open(columns: number, rows: number): { master: number; slave: number; pty: string };
}

/** Opens a pseudo-terminal. The slave is opened anew, as node-pty's is inherited by every process we start. */
export function openTerminal(columns: number, rows: number): Terminal {
  const native = "native" in nodePty ? (nodePty.native as NativePty | null) : null;
  assert(native !== null, "this version of node-pty offers its native functions");
  const { master, slave, pty } = native.open(columns, rows);
  const own = openSync(pty, constants.O_RDWR | constants.O_NOCTTY);
  closeSync(slave);
  return { master, slave: own, slavePath: pty };
}
