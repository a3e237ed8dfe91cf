import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { must } from "../../src/base/assert.ts";
import { bootstrapLineage } from "../../src/consensus/lineage/generation.ts";
import { simpleConfiguration } from "../../src/consensus/core/configuration.ts";
import { defaultLevelLogOptions, LevelLogStore } from "../../src/consensus/storage/level-log.ts";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { commands, write } from "../support/entries.ts";
import { MemoryDisk, MemoryLogStore } from "../support/memory-log.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
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

const it = suite("log store: level, reading itself back");

it("is not hurt by a confirmation that falls due just then", async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "muster-log-"));
  const clock = new VirtualClock();
  const store = new LevelLogStore({ ...defaultLevelLogOptions, directory }, { clock });
  const genesis = { bootstrap: simpleConfiguration(["a"]), lineage: bootstrapLineage("c") };
  try {
    await store.open(genesis);
    await store.append(write({ entries: commands(1, 3, 1) }));
    const chain = store.chainAt(2); // from the disk, so that what comes now has to wait
    const again = store.open(genesis);
    await clock.advance(defaultLevelLogOptions.confirmAfterMs);
    const compacted = store.compact(2);
    must(await chain, "the chain within a frame is known");
    assert.is((await again).recovered.lastIndex, 3);
    await compacted;
    await store.append(write({ entries: commands(4, 4, 1) }));
  } finally {
    await store.close();
    await rm(directory, { recursive: true, force: true });
  }
});

it.run();
