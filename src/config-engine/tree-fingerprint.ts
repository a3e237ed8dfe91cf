/**
 * Tells whether an unpacked tree is still as it was unpacked. Actions run inside it, often as root, and one that
 * writes there must not change what later actions run. Names, kinds, sizes and times are compared, not contents:
 * this is against accidents, and cheap enough for every run.
 */
import { createHash } from "node:crypto";
import { lstat, readdir } from "node:fs/promises";
import path from "node:path";

export async function treeFingerprint(directory: string): Promise<string> {
  const hash = createHash("sha256");
  const visit = async (folder: string): Promise<void> => {
    const names = await readdir(path.join(directory, folder));
    for (const name of names.sort()) {
      const at = path.join(folder, name);
      const found = await lstat(path.join(directory, at));
      const isFolder = found.isDirectory();
      const written = isFolder ? 0 : found.mtimeMs;
      hash.update(`${at}\0${found.mode}\0${isFolder ? 0 : found.size}\0${written}\0`);
      if (isFolder) await visit(at);
    }
  };
  await visit("");
  return hash.digest("hex");
}
