/** The hold on a restart: durable, bounded, and not silently lost. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isAgentError } from "../../../../src/base/errors.ts";
import { ExitHold, maxStatements } from "../../../../src/agent/supervisor/exit-hold.ts";

const it = suite<{ folder: string }>("exit-hold");

it.before.each(async (context) => {
  context.folder = await mkdtemp(path.join(os.tmpdir(), "muster-test-"));
});
it.after.each(({ folder }) => rm(folder, { recursive: true, force: true }));

it("remembers each statement until it is settled", async ({ folder }) => {
  const hold = await ExitHold.read(folder);
  assert.equal(hold.statements, []);
  assert.ok(await hold.add({ nonce: "1", asker: "b" }));
  assert.ok(await hold.add({ nonce: "2", asker: "c" }));
  await hold.settle("1");
  assert.equal((await ExitHold.read(folder)).statements, [{ nonce: "2", asker: "c" }]);
  await (await ExitHold.read(folder)).clear();
  assert.equal(await readdir(folder), [], "nothing is left behind");
});

it("gives out a bounded number, to each asker and in all", async ({ folder }) => {
  const hold = await ExitHold.read(folder);
  const added: boolean[] = [];
  for (let i = 0; i < 6; i += 1) added.push(await hold.add({ nonce: String(i), asker: "b" }));
  assert.equal(added, [true, true, true, true, false, false]);
  for (let i = 0; i < maxStatements + 5; i += 1) await hold.add({ nonce: `x${i}`, asker: `a${i}` });
  assert.is(hold.statements.length, maxStatements);
});

it("does not read a damaged file as none", async ({ folder }) => {
  for (const text of [
    "",
    "{",
    "[]",
    '{"version":2,"statements":[]}',
    '{"version":1,"statements":[{}]}',
  ]) {
    await writeFile(path.join(folder, "exit-hold.json"), text);
    try {
      await ExitHold.read(folder);
      assert.unreachable(text);
    } catch (error) {
      assert.ok(isAgentError(error, "DATA_DIR_INVALID"), text);
    }
  }
});

it.run();
