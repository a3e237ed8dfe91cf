/** A file with tests that fail in the ways uvu alone keeps quiet about. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isJsonObject } from "../../../../src/base/json.ts";

const it = suite("uvu's suites");
const root = path.resolve(import.meta.dirname, "../../../..");
const redirect = path.join(root, "test/support/uvu/redirect.ts");

/** @returns what is printed. */
async function outputOf(source: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "muster-uvu-"));
  const file = path.join(folder, "made.test.ts");
  try {
    await symlink(path.join(root, "node_modules"), path.join(folder, "node_modules"));
    await writeFile(file, `import { suite } from "uvu";\nconst it = suite("made");\n${source}`);
    const env = { ...process.env, FORCE_COLOR: "0", NO_COLOR: "1" };
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ["--import", redirect, file],
      { env },
    ).catch((error: unknown) => {
      if (isJsonObject(error)) return error as { readonly stdout: string; readonly stderr: string };
      throw error;
    });
    return stdout + stderr;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

it("prints an error whose details are no text, and runs the tests after it", async () => {
  const output = await outputOf(`
    it("fails", () => { throw Object.assign(new Error("too hot"), { details: { degrees: 99 } }); });
    it("throws a text", () => { throw "cold"; });
    it("passes", () => undefined);
    it.run();`);
  assert.match(output, /too hot\n\{ degrees: 99 \}/);
  assert.match(output, /Thrown: 'cold'/);
  assert.match(output, /Passed: +1/);
});

it("prints what a hook throws", async () => {
  const output = await outputOf(`
    it.before(() => { throw new Error("no room"); });
    it("never runs", () => undefined);
    it.run();`);
  assert.match(output, /A hook failed: Error: no room/);
});

it.run();
