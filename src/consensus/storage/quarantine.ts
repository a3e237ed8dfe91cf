/**
 * Puts a damaged log aside, so that the agent can begin anew as another incarnation and join again. Nothing is
 * deleted: what is still readable may be the last copy of something.
 */
import { mkdir, rename } from "node:fs/promises";
import path from "node:path";
import { errorCode } from "../../base/errors.ts";
import { syncDirectory } from "./meta-file.ts";

const parts = ["meta.0", "meta.1", "log", "snapshots"];

/**
 * Moves everything consensus keeps in `directory` into `damaged-<name>` beside it, and returns that path. The log
 * must be closed.
 */
export async function setLogAside(directory: string, name: string): Promise<string> {
  const aside = path.join(directory, `damaged-${name}`);
  await mkdir(aside, { recursive: true });
  for (const part of parts) {
    try {
      await rename(path.join(directory, part), path.join(aside, part));
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
    }
  }
  await syncDirectory(directory);
  return aside;
}
