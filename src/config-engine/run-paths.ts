/**
 * Where a run lives on disk. `runs/<encoded id>/`:
 *   spec.json       what to run (no values of vars)           written by the engine before the shim starts
 *   vars.json, inventory.json, secrets.json                   0600, gone when the run has ended
 *   shim.json       identity of the shim: the claim that makes "started at most once" true
 *   child.json      identity of the command; its pid is also its session
 *   cancel.json     the wish to cancel, with the reason; a signal to the shim only wakes it
 *   transcript/     output, in segments
 *   exit.json       how it ended: the last thing written, by rename
 *   reported        the inventory has the result: never announced again, and free to be removed
 */
import { createHash } from "node:crypto";
import path from "node:path";

export interface RunPaths {
  readonly directory: string;
  readonly spec: string;
  readonly vars: string;
  readonly inventory: string;
  readonly secrets: string;
  readonly shim: string;
  readonly child: string;
  readonly cancel: string;
  readonly transcript: string;
  readonly exit: string;
  readonly reported: string;
  readonly log: string;
}

/** Longest file name we make; file systems allow 255 bytes, and temporary names add a suffix. */
const nameLimit = 200;

export function runPaths(directory: string): RunPaths {
  const at = (name: string): string => path.join(directory, name);
  return {
    directory,
    spec: at("spec.json"),
    vars: at("vars.json"),
    inventory: at("inventory.json"),
    secrets: at("secrets.json"),
    shim: at("shim.json"),
    child: at("child.json"),
    cancel: at("cancel.json"),
    transcript: at("transcript"),
    exit: at("exit.json"),
    reported: at("reported"),
    log: at("shim.log"),
  };
}

/**
 * A file name for a run id, readable for an operator: `/` becomes `+`, any other odd byte `%XX`. Different
 * ids give different names; a long one is cut and made unique by its hash.
 */
export function encodeRunId(id: string): string {
  let name = "";
  for (const byte of Buffer.from(id, "utf8")) {
    const character = String.fromCharCode(byte);
    if (character === "/") name += "+";
    else if (/[A-Za-z0-9_-]/.test(character) || (character === "." && name !== ""))
      name += character;
    else name += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  if (name.length <= nameLimit) return name;
  const digest = createHash("sha256").update(id).digest("hex").slice(0, 32);
  return `${name.slice(0, nameLimit - 34)}%%${digest}`;
}
