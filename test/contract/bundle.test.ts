/** The bundle as it is built: what operators run, and what a crash of it prints. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { programFiles } from "../../src/base/program-files.ts";
import { bundle, nodeFlags } from "../../tools/bundle.ts";
import { repository } from "../support/agents.ts";

const it = suite("bundle");
const folder = await mkdtemp(path.join(os.tmpdir(), "muster bundle-"));
const compiledFile = path.join(folder, "cli/main.compiled");
/** A statement may be longer than the limit of a line, and a text cannot be broken. */
const longestLine = 10_000;

it.before(() => bundle(folder));
it.after(() => rm(folder, { recursive: true, force: true }));

it("has lines that a crash can print", async () => {
  const { cli, ...others } = programFiles;
  const files = [`${cli}.cjs`, ...Object.values(others).map((file) => `${file}.mjs`)];
  for (const file of files) {
    const lines = (await readFile(path.join(folder, file), "utf8")).split("\n");
    const longest = Math.max(...lines.map((line) => line.length));
    assert.ok(longest <= longestLine, `${file} has a line of ${longest} letters`);
  }
});

it("starts with what was compiled when it was built", async () => {
  assert.equal(await start(), { isRejected: "false", version: await version() });
});

/** Prints with what Node.js was started, and ends before the program begins. */
const startPrinter = `data:text/javascript,process.stdout.write(JSON.stringify([process.execArgv,process.env]));process.exit(0)`;

it("starts Node.js with what keeps an agent small, as a checkout does", async () => {
  for (const program of [path.join(folder, "muster"), path.join(repository, "bin/muster")]) {
    const [flags, settings] = await startOf(program, {});
    assert.equal(
      nodeFlags.filter((flag) => !flags.includes(flag)),
      [],
    );
    assert.is(settings["MALLOC_ARENA_MAX"], "2");
    assert.is(settings["MALLOC_TRIM_THRESHOLD_"], "131072");
  }
});

it("leaves the settings of malloc that the operator made", async () => {
  const given = { MALLOC_ARENA_MAX: "7", MALLOC_TRIM_THRESHOLD_: "" };
  for (const program of [path.join(folder, "muster"), path.join(repository, "bin/muster")]) {
    const [, settings] = await startOf(program, given);
    assert.equal({ ...settings, ...given }, settings);
  }
});

it("loads later what only some commands need", async () => {
  const args = ["--api-url", "https://127.0.0.1:1", "status"];
  const token = { MUSTER_API_TOKEN: "x" };
  const program = promisify(execFile)(path.join(folder, "muster"), args, {
    env: { PATH: process.env["PATH"], ...token },
  });
  const { stderr } = await program.catch((error: { readonly stderr: string }) => error);
  assert.match(stderr, /^muster: No agent answers at https:/);
});

it("starts without it where it is missing, cut off, damaged, or of another text", async () => {
  const whole = await readFile(compiledFile);
  const program = path.join(folder, "cli/main.cjs");
  const text = await readFile(program, "latin1");
  const started = { isRejected: "undefined", version: await version() };
  const damaged = Buffer.from(whole);
  damaged.writeUInt8(damaged.readUInt8(whole.length >> 1) ^ 1, whole.length >> 1);
  for (const content of [Buffer.of(), whole.subarray(0, 1000), damaged]) {
    await writeFile(compiledFile, content);
    assert.equal(await start(), started);
  }
  await rm(compiledFile);
  assert.equal(await start(), started);
  await writeFile(compiledFile, whole);
  await writeFile(program, text.replaceAll("its secret", "ITS SECRET"));
  assert.equal(await start(), started);
  assert.match((await run(["token", "create", "--help"])).stdout, "ITS SECRET");
});

/** Whether V8 rejected what it was given; undefined when it was given nothing. */
async function start(): Promise<{ readonly isRejected: string; readonly version: string }> {
  const node = path.join(folder, "node_modules/node/bin/node");
  const print = "process.stderr.write(String(require(process.argv[1]).cachedDataRejected))";
  const args = [...nodeFlags, "--eval", print, path.join(folder, "start.cjs"), "version"];
  const { stdout, stderr } = await promisify(execFile)(node, args);
  return { isRejected: stderr, version: stdout };
}

async function startOf(
  program: string,
  env: Readonly<Record<string, string>>,
): Promise<readonly [readonly string[], Readonly<Record<string, string>>]> {
  const { stdout } = await promisify(execFile)(program, [], {
    env: { PATH: process.env["PATH"], NODE_OPTIONS: `--import=${startPrinter}`, ...env },
  });
  return JSON.parse(stdout) as readonly [readonly string[], Readonly<Record<string, string>>];
}

function run(args: readonly string[]): Promise<{ readonly stdout: string }> {
  return promisify(execFile)(path.join(folder, "muster"), [...args]);
}

async function version(): Promise<string> {
  const manifest = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8")) as {
    readonly version: string;
  };
  return `${manifest.version}\n`;
}

it.run();
