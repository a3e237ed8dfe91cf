import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { defaultLevelLogOptions, LevelLogStore } from "../../src/consensus/storage/level-log.ts";
import { MemoryDisk, MemoryLogStore } from "../support/memory-log.ts";
import { logStoreContract } from "./log-store.ts";

logStoreContract("memory", () => {
  const disk = new MemoryDisk();
  return Promise.resolve({
    store: () => new MemoryLogStore(disk),
    dispose: () => Promise.resolve(),
  });
}).run();

logStoreContract("level", async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "muster-log-"));
  const options = { ...defaultLevelLogOptions, directory };
  return {
    store: () => new LevelLogStore(options, { clock: systemClock }),
    dispose: () => rm(directory, { recursive: true, force: true }),
  };
}).run();
