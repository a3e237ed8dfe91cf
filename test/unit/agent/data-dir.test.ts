/** The data directory on a real file system: what others may read in it. */
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { prepareDataDir } from "../../../src/agent/data-dir.ts";
import { isAgentError } from "../../../src/base/errors.ts";

const it = suite<{ folder: string }>("agent/data-dir");

it.before.each(async (context) => {
  context.folder = await mkdtemp(path.join(tmpdir(), "muster-data-dir-"));
});
it.after.each(({ folder }) => rm(folder, { recursive: true }));

async function modeOf(file: string): Promise<number> {
  return (await stat(file)).mode & 0o777;
}

it("is private when the agent makes it", async ({ folder }) => {
  const dataDir = path.join(folder, "a/b");
  await prepareDataDir(dataDir);
  assert.is(await modeOf(dataDir), 0o700);
});

it("keeps the log from others where the directory is open to them", async ({ folder }) => {
  await chmod(folder, 0o755);
  await prepareDataDir(folder);
  assert.is(await modeOf(folder), 0o755);
  assert.is(await modeOf(path.join(folder, "raft")), 0o700);
});

it("closes a log that was open to others", async ({ folder }) => {
  await mkdir(path.join(folder, "raft"));
  await chmod(path.join(folder, "raft"), 0o755);
  await prepareDataDir(folder);
  assert.is(await modeOf(path.join(folder, "raft")), 0o700);
});

it("is refused at once where nothing can be made", async () => {
  let failure: unknown;
  await prepareDataDir("/proc/muster/none").catch((error: unknown) => {
    failure = error;
  });
  assert.ok(isAgentError(failure, "DATA_DIR_INVALID"), String(failure));
});

it("is refused when it is a file", async ({ folder }) => {
  const file = path.join(folder, "file");
  await writeFile(file, "");
  try {
    await prepareDataDir(file);
    assert.unreachable();
  } catch (error) {
    assert.ok(isAgentError(error, "DATA_DIR_INVALID"));
  }
});

it.run();
