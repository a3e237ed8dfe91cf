/**
 * Test runner around uvu: one process per file, so that a leak or a crash in one cannot colour another; a
 * watchdog per file; a file that ran no test is a failure (uvu exits 0 when `run()` was forgotten). Ends with
 * one line `N passed, N failed, N skipped`.
 *
 *   node test/run.ts                     everything
 *   node test/run.ts unit/gossip e2e     files below test/ that start so
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { bundle } from "../tools/bundle.ts";

interface Outcome {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  readonly output: string;
  readonly problem: string | null;
}

const root = import.meta.dirname;
const slowFolders = ["e2e", "sim"];
const limitMs = { slow: 1_200_000, fast: 300_000 };

function testFiles(prefixes: readonly string[]): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .filter((file) => prefixes.length === 0 || prefixes.some((prefix) => file.startsWith(prefix)))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** Fast files first: a broken unit test is seen before an end-to-end test has run for a minute. */
function rank(file: string): number {
  return slowFolders.findIndex((folder) => file.startsWith(folder)) + 1;
}

function count(output: string, label: string): number {
  const match = new RegExp(`^\\s*${label}:\\s+(\\d+)`, "m").exec(output);
  return match === null ? 0 : Number(match[1]);
}

function run(file: string): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const begun = performance.now();
  const slow = rank(file) > 0;
  const child = spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      "--import",
      path.join(root, "support/uvu/redirect.ts"),
      path.join(root, file),
    ],
    {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, FORCE_COLOR: "0", NO_COLOR: "1" },
    },
  );
  let output = "";
  let timedOut = false;
  const collect = (bytes: Buffer): void => {
    output += bytes.toString();
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const watchdog = setTimeout(
    () => {
      timedOut = true;
      killGroup(child.pid);
    },
    slow ? limitMs.slow : limitMs.fast,
  );
  child.on("close", (code) => {
    clearTimeout(watchdog);
    killGroup(child.pid);
    const total = count(output, "Total");
    const passed = count(output, "Passed");
    const skipped = count(output, "Skipped");
    const failed = Math.max(total - passed, code === 0 ? 0 : 1);
    let problem: string | null = null;
    if (timedOut) problem = "did not end in time";
    else if (total + skipped === 0) problem = "ran no test (is `.run()` missing?)";
    else if (code !== 0) problem = `exit code ${String(code)}`;
    const seconds = (performance.now() - begun) / 1000;
    const failures = problem === null ? failed : Math.max(failed, 1);
    resolve({ file, passed, failed: failures, skipped, seconds, output, problem });
  });
  return promise;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The group is gone already: that is what a clean test leaves.
  }
}

function report(outcome: Outcome): void {
  const { file, passed, failed, skipped, seconds } = outcome;
  const counts = `${passed} passed${failed > 0 ? `, ${failed} FAILED` : ""}${skipped > 0 ? `, ${skipped} skipped` : ""}`;
  process.stdout.write(`${failed > 0 ? "✗" : "✓"} ${file}  ${counts}  ${seconds.toFixed(1)} s\n`);
  for (const line of outcome.output.split("\n")) {
    if (line.startsWith("# skip")) process.stdout.write(`    ${line.slice(2)}\n`);
  }
  if (failed === 0) return;
  process.stdout.write(`${outcome.output.trimEnd()}\n`);
  if (outcome.problem !== null) process.stdout.write(`${file}: ${outcome.problem}\n`);
}

/** Real agents run from a bundle of the sources as they are now. */
async function bundled(): Promise<AsyncDisposable & { readonly folder: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), "muster-bundle-"));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    await bundle(folder);
  } catch (error) {
    await remove();
    throw error;
  }
  return { folder, [Symbol.asyncDispose]: remove };
}

const files = testFiles(process.argv.slice(2));
const totals = { passed: 0, failed: 0, skipped: 0 };
/** End-to-end files run alone: they start clusters, and two cores are few. */
async function runAll(queue: string[], width: number): Promise<void> {
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const outcome = await run(file);
      report(outcome);
      totals.passed += outcome.passed;
      totals.failed += outcome.failed;
      totals.skipped += outcome.skipped;
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}
const alone = files.filter((file) => file.startsWith("e2e"));
await runAll(
  files.filter((file) => !file.startsWith("e2e")),
  Math.max(2, availableParallelism()),
);
if (alone.length > 0) {
  await using program = await bundled();
  process.env["MUSTER_TEST_BIN"] = path.join(program.folder, "muster");
  await runAll(alone, 1);
}
if (files.length === 0) {
  process.stdout.write("No test file matches.\n");
  totals.failed += 1;
}
process.stdout.write(
  `${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`,
);
process.exitCode = totals.failed === 0 ? 0 : 1;
