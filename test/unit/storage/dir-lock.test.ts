import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { errorCode } from "../../../src/base/errors.ts";
import { lockDirectory } from "../../../src/storage/dir-lock.ts";

const it = suite<{ folder: string }>("directory lock");

it.before.each(async (context) => {
  context.folder = await mkdtemp(path.join(os.tmpdir(), "muster-lock-"));
});
it.after.each(({ folder }) => rm(folder, { recursive: true, force: true }));

const codeOf = (folder: string): Promise<string | undefined> =>
  lockDirectory(folder).then(() => "locked", errorCode);

/** Without the journal that LevelDB begins anew at each attempt. */
async function filesOf(folder: string): Promise<readonly string[]> {
  const names = await readdir(path.join(folder, "lock"));
  return names.filter((name) => !name.startsWith("LOG")).sort();
}

it("is held by one at a time, and free again when it is released", async ({ folder }) => {
  const lock = await lockDirectory(folder);
  const files = await filesOf(folder);
  assert.is(await codeOf(folder), "DATA_DIR_IN_USE");
  assert.equal(await filesOf(folder), files, "nothing of it is touched");
  await lock.release();
  await (await lockDirectory(folder)).release();
});

it("does not mind what a power cut left of its files", async ({ folder }) => {
  for (const content of ["", "x\n", "MANIFEST-000099\n"]) {
    await (await lockDirectory(folder)).release();
    await writeFile(path.join(folder, "lock", "CURRENT"), content);
    await (await lockDirectory(folder)).release();
  }
});

it("says so where there can be no lock", async ({ folder }) => {
  await writeFile(path.join(folder, "lock"), "");
  assert.is(await codeOf(folder), "DATA_DIR_INVALID");
});

it.run();
