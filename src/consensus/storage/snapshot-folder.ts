/**
 * What became of the folder of snapshots, where a log begins behind one and none is found. Damage takes a file here and
 * there; without all of its files, the one that marks it among them, the folder is where a volume is not mounted.
 */
import { lstat, readdir } from "node:fs/promises";
import { errorCode } from "../../base/errors.ts";

/** `empty` is a link that leads nowhere, too. */
export type FolderContent = "some" | "empty" | "gone";

export async function contentOf(directory: string): Promise<FolderContent> {
  try {
    return (await readdir(directory)).length > 0 ? "some" : "empty";
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  return (await isNamed(directory)) ? "empty" : "gone";
}

async function isNamed(directory: string): Promise<boolean> {
  try {
    await lstat(directory);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}
