/** Names of folders are durable before a log is written in them: a power cut that takes one takes all that is in it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../../src/base/clock.ts";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { nodeFiles } from "../../../../src/consensus/storage/files.ts";
import {
  defaultLevelLogOptions,
  LevelLogStore,
} from "../../../../src/consensus/storage/level-log.ts";
import { openLevel } from "../../../../src/consensus/storage/log-database.ts";
import { genesis } from "../../../support/entries.ts";

const it = suite("log folder");

it("makes the names of its folders durable before it begins a log, and what an earlier process made", async () => {
  const root = await mkdtemp(path.join(tmpdir(), "muster-log-folder-"));
  const directory = path.join(root, "raft");
  const done: string[] = [];
  const storage = {
    files: {
      ...nodeFiles,
      syncDirectory: async (folder: string) => {
        done.push(`sync ${path.relative(root, folder)}`);
        await nodeFiles.syncDirectory(folder);
      },
    },
    openDatabase: async (...given: Parameters<typeof openLevel>) => {
      const opened = await openLevel(...given);
      done.push("database");
      if ("fault" in opened) return opened;
      const { db } = opened;
      const batch: typeof db.batch = (...write) => {
        done.push("write");
        return db.batch(...write);
      };
      return { db: { ...db, batch } };
    },
  };
  try {
    for (const writes of [["write"], []]) {
      done.length = 0;
      const options = { ...defaultLevelLogOptions, directory };
      const log = new LevelLogStore(options, { clock: systemClock, storage });
      await log.open(genesis(simpleConfiguration(["a"])));
      await log.close();
      const before = ["sync ", "sync raft", "database", "sync raft", ...writes];
      assert.equal(done.slice(0, before.length), before);
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

it.run();
