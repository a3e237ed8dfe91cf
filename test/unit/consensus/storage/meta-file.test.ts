import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Files, nodeFiles } from "../../../../src/consensus/storage/files.ts";
import { MetaFiles } from "../../../../src/consensus/storage/meta-file.ts";

const it = suite("watermark files");

it("makes durable what a killed process left in memory, before it is believed", async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "muster-meta-"));
  const done: string[] = [];
  const watched: Files = {
    ...nodeFiles,
    open: async (file, flags) => {
      const handle = await nodeFiles.open(file, flags);
      const name = path.basename(file);
      return {
        read: (...at) => {
          done.push(`read ${name}`);
          return handle.read(...at);
        },
        write: (...at) => handle.write(...at),
        truncate: (length) => handle.truncate(length),
        stat: () => handle.stat(),
        sync: () => handle.sync(),
        datasync: () => {
          done.push(`sync ${name}`);
          return handle.datasync();
        },
        close: () => handle.close(),
      };
    },
  };
  try {
    const { files } = await MetaFiles.open(directory, watched);
    await files.close();
    assert.equal(done, ["sync meta.0", "read meta.0", "sync meta.1", "read meta.1"]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

it.run();
