/** The snapshot on disk: replaced atomically, so that a crash leaves the old or the new one. */
import { open, readFile, rename } from "node:fs/promises";
import { errorCode } from "../../base/errors.ts";

export interface SnapshotFile {
  /** Null when there is none yet. */
  load(): Promise<string | null>;
  save(text: string): Promise<void>;
}

export function snapshotFile(path: string): SnapshotFile {
  return {
    load: async () => {
      try {
        return await readFile(path, "utf8");
      } catch (error) {
        if (errorCode(error) === "ENOENT") return null;
        throw error;
      }
    },
    save: async (text) => {
      const file = await open(`${path}.new`, "w", 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(`${path}.new`, path);
    },
  };
}
