import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { silentLogger } from "../../src/base/logger.ts";
import { SnapshotFiles } from "../../src/consensus/storage/snapshot-files.ts";
import { MemorySnapshots, SnapshotShelf } from "../support/memory-snapshots.ts";
import { snapshotStoreContract } from "./snapshot-store.ts";

snapshotStoreContract("memory", () => {
  const shelf = new SnapshotShelf();
  return Promise.resolve({
    store: () => new MemorySnapshots(shelf),
    dispose: () => Promise.resolve(),
  });
}).run();

snapshotStoreContract("files", async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "muster-snapshots-"));
  const options = { directory: path.join(directory, "snapshots"), maxBytes: 1 << 30 };
  return {
    store: () => new SnapshotFiles(options, { logger: silentLogger }),
    dispose: () => rm(directory, { recursive: true, force: true }),
  };
}).run();
