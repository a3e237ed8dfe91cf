/** Output of actions, through real terminals: nothing lost, nothing secret, nothing that stalls a run. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { getuid } from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../src/base/clock.ts";
import { isAgentError } from "../../../src/base/errors.ts";
import { TerminalCommand } from "../../../src/config-engine/shim/terminal-command.ts";
import { FileTranscriptStore } from "../../../src/config-engine/transcript-store.ts";
import { type ReadTranscript, transcriptLines } from "../../support/transcript-lines.ts";
import { actionsFolder, EngineLab, runSpec, until } from "../../support/run-engine.ts";

const it = suite<{ lab: EngineLab }>("run output");

it.before.each(async (context) => {
  context.lab = new EngineLab();
  await context.lab.start();
});
it.after.each(async ({ lab }) => {
  await lab.close();
});

function readerOf(lab: EngineLab, run: string): ReadTranscript {
  const store = new FileTranscriptStore({ dataDir: lab.dataDir }, { clock: systemClock });
  return (range) => store.read(run, range);
}

async function lines(lab: EngineLab, run: string, follow = false): Promise<string[]> {
  const found: string[] = [];
  for await (const line of transcriptLines(readerOf(lab, run), { follow })) found.push(line.text);
  return found;
}

it("loses no end of a short command's output, two hundred times over", async () => {
  for (let i = 0; i < 200; i += 1) {
    let text = "";
    const command = new TerminalCommand(
      {
        executable: path.join(actionsFolder, "short"),
        workingDirectory: "/",
        environment: { PATH: "/usr/bin:/bin" },
        onOutput: (output) => {
          text += Buffer.from(output).toString("latin1");
        },
      },
      systemClock,
    );
    await command.started();
    await command.ended;
    assert.ok(await command.drain(systemClock));
    assert.is(text.length, 16_898, `run ${i}`);
    assert.ok(text.endsWith("3000\r\nEND\r\n"), `run ${i}`);
  }
});

it("keeps a line of one megabyte whole", async ({ lab }) => {
  const spec = runSpec("long-line");
  assert.is((await lab.run(spec)).outcome, "succeeded");
  const [long, after, ...rest] = await lines(lab, spec.id);
  assert.is(long?.length, 1_000_000);
  assert.is(after, "after the long line");
  assert.equal(rest, []);
});

it("keeps a hundred thousand lines in order, followed while they come", async ({ lab }) => {
  const spec = runSpec("many-lines");
  await lab.engine.ensure(spec);
  const found = await lines(lab, spec.id, true);
  assert.is(found.length, 100_001);
  assert.ok(found.every((text, index) => text === String(index + 1) || text === "END"));
  assert.is((await lab.end(spec.id)).outcome, "succeeded");
});

it("is not slowed by a follower that stands still, and serves it later", async ({ lab }) => {
  const spec = runSpec("many-lines");
  await lab.engine.ensure(spec);
  const stalled = transcriptLines(readerOf(lab, spec.id), { follow: true });
  assert.is((await stalled.next()).value?.text, "1");
  // It takes nothing more, and the run ends all the same.
  assert.is((await lab.end(spec.id)).outcome, "succeeded");
  let count = 1;
  for (let next = await stalled.next(); next.done !== true; next = await stalled.next()) count += 1;
  assert.is(count, 100_001);
});

it("can be read on from the offset of any line", async ({ lab }) => {
  const spec = runSpec("short");
  await lab.run(spec);
  const read = readerOf(lab, spec.id);
  let at = 0;
  for await (const line of transcriptLines(read)) if (line.text === "1500") at = line.nextOffset;
  const rest: string[] = [];
  for await (const line of transcriptLines(read, { from: at })) rest.push(line.text);
  assert.is(rest[0], "1501");
  assert.is(rest.length, 1501);
});

it("stores no secret, however it is printed", async ({ lab }) => {
  const secret = "hunter2-secret-value";
  const spec = runSpec("secrets", { vars: { password: secret }, secretValues: [secret] });
  await lab.run(spec);
  assert.equal(await lines(lab, spec.id), [
    "plain: ***",
    "split: ***",
    "wrapped: ***",
    'json: {"password":"***"}',
    "beginning only: hunter2-",
  ]);
  const grep = execFileSync("sh", ["-c", `grep -rl "${secret}" "${lab.dataDir}" || true`]);
  assert.is(grep.toString(), "", "no file holds it");
});

it("keeps secrets out of messages too", async ({ lab }) => {
  const spec = runSpec("fail", { secretValues: ["/dev/sdx"] });
  assert.match((await lab.run(spec)).message, /disk \*\*\* is missing/);
});

it("masks as many secret bytes as are allowed", async ({ lab }) => {
  const secretValues = Array.from({ length: 250 }, (_, i) => `${i}-`.padEnd(1000, "s"));
  const result = await lab.run(runSpec("succeed", { secretValues }));
  assert.is(result.outcome, "succeeded");
});

it("keeps beginning and end of a flood, within the limit, and marks what is missing", async () => {
  const limit = 512 * 1024;
  const lab = new EngineLab({ transcriptBytes: limit });
  try {
    await lab.start();
    const spec = runSpec("flood");
    await lab.run(spec);
    const folder = path.join(lab.runFolder(spec.id), "transcript");
    const stored = readdirSync(folder).map((name) => statSync(path.join(folder, name)).size);
    const total = stored.reduce((sum, size) => sum + size, 0);
    assert.ok(total <= limit && total > limit / 2, `${total} bytes`);
    const found = await lines(lab, spec.id);
    assert.match(found[0] ?? "", /^line 0000001 /);
    assert.is(found.at(-1), "END");
    assert.match(found.at(-2) ?? "", /^line 0062500 /);
    const marks = found.filter((text) => text.startsWith("[muster: "));
    assert.is(marks.length, 1);
    assert.match(marks[0] ?? "", /^\[muster: \d+ bytes of output are not kept here\]$/);
  } finally {
    await lab.close();
  }
});

/** A lab on a file system of one megabyte. Mounting one takes root. */
const onSmallDisk = getuid?.() === 0 ? it : it.skip;

async function withSmallDisk(
  test: (lab: EngineLab, mount: string) => Promise<void>,
): Promise<void> {
  const mount = mkdtempSync(path.join(tmpdir(), "muster-full-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount]);
  const lab = new EngineLab({ dataDir: path.join(mount, "data") });
  try {
    await lab.start();
    await test(lab, mount);
  } finally {
    await lab.close();
    execFileSync("umount", ["--lazy", mount]); // A process that is just ending may still hold it.
    rmSync(mount, { recursive: true, force: true });
  }
}

onSmallDisk("ends a run as failed when the disk fills up, but lets the action end", async () => {
  await withSmallDisk(async (lab) => {
    const result = await lab.run(runSpec("flood"));
    assert.is(result.outcome, "failed");
    assert.is(result.exitCode, 0);
    assert.match(
      result.message,
      /the output could not be stored \(ENOSPC.*the action exited with 0/,
    );
  });
});

onSmallDisk("starts nothing on a full disk, and still cancels what runs", async () => {
  await withSmallDisk(async (lab, mount) => {
    const spec = runSpec("hang");
    await lab.engine.ensure(spec);
    const folder = path.join(lab.runFolder(spec.id), "transcript");
    await until("its output", () => readdirSync(folder).length > 0);
    execFileSync("sh", ["-c", `cat /dev/zero > "${mount}/filler" 2>/dev/null || true`]);
    try {
      await lab.engine.ensure(runSpec("succeed"));
      assert.unreachable();
    } catch (error) {
      assert.ok(isAgentError(error, "RUN_NOT_STARTED"), String(error));
      assert.match(error.message, /ENOSPC/);
    }
    assert.equal(lab.engine.running(), [spec.id]);
    lab.engine.cancel(spec.id, "cancelled by anna");
    const result = await lab.end(spec.id);
    assert.is(result.outcome, "cancelled");
    assert.is(result.message, "cancelled by anna");
    assert.match(readFileSync(path.join(lab.runFolder(spec.id), "exit.json"), "utf8"), /"cause"/);
  });
});

it.run();
