/** The bundle as it is built: what operators run, and what a crash of it prints. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { programFiles } from "../../src/base/program-files.ts";
import { bundle } from "../../tools/bundle.ts";

const it = suite("bundle");
/** A statement may be longer than the limit of a line, and a text cannot be broken. */
const longestLine = 10_000;

it("has lines that a crash can print, and leaves itself compiled", async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "muster bundle-"));
  try {
    await bundle(folder);
    for (const file of Object.values(programFiles)) {
      const lines = (await readFile(path.join(folder, `${file}.mjs`), "utf8")).split("\n");
      const longest = Math.max(...lines.map((line) => line.length));
      assert.ok(longest <= longestLine, `${file} has a line of ${longest} letters`);
    }
    assert.ok((await readdir(path.join(folder, "compile-cache"))).length > 0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it.run();
