/** bin/muster as a process: where it may lie, how it is called, what a pipe or standard input does. */
import { execFile } from "node:child_process";
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type CliBench, type Outcome, withCli } from "../../support/cli-bench.ts";

const repository = path.join(import.meta.dirname, "../../..");
const it = suite("cli entry");
const version = /^\d+\.\d+\.\d+\n$/;

interface Start {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

function start(file: string, args: readonly string[], options: Start = {}): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const { cwd, env = {}, input = "" } = options;
  const limits = {
    timeout: 60_000,
    env: { PATH: process.env["PATH"], ...env },
    ...(cwd === undefined ? {} : { cwd }),
  };
  const child = execFile(file, [...args], limits, (error, stdout, stderr) => {
    const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
    resolve({ code, stdout, stderr });
  });
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  return promise;
}

async function inFolder(act: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "muster entry with blanks-"));
  try {
    await act(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A checkout: its own launcher, and links to the rest. */
async function checkout(tree: string): Promise<string> {
  await mkdir(path.join(tree, "bin"), { recursive: true });
  for (const name of ["bin/muster", "bin/compile-cache.cjs"]) {
    await cp(path.join(repository, name), path.join(tree, name));
  }
  for (const name of ["src", "node_modules", "package.json"]) {
    await symlink(path.join(repository, name), path.join(tree, name));
  }
  return path.join(tree, "bin/muster");
}

it("starts from any directory, through relative and absolute symlinks, with blanks in the path", () =>
  inFolder(async (folder) => {
    const tree = path.join(folder, "a tree #1 %41");
    await checkout(tree);
    await symlink("a tree #1 %41/bin/muster", path.join(folder, "relative link"));
    await symlink(path.join(folder, "relative link"), path.join(folder, "link to a link"));
    const calls = [
      [path.join(tree, "bin/muster"), "/"],
      [path.join(folder, "link to a link"), "/"],
      ["./relative link", folder],
    ] as const;
    for (const [file, cwd] of calls) {
      const { code, stdout, stderr } = await start(file, ["version"], { cwd });
      assert.is(code, 0, `${file}: ${stderr}`);
      assert.match(stdout, version);
    }
  }));

it("keeps compiled code beside itself, and does without where it cannot", () =>
  inFolder(async (folder) => {
    const file = await checkout(folder);
    const cache = path.join(folder, "bin/compile-cache");
    assert.is((await start(file, ["version"])).code, 0);
    assert.ok((await readdir(cache)).length > 0);
    await rm(cache, { recursive: true });
    await writeFile(cache, "");
    const { code, stdout, stderr } = await start(file, ["version"]);
    assert.equal([code, stderr], [0, ""]);
    assert.match(stdout, version);
  }));

it("finds its compiled code again where it was moved to", () =>
  inFolder(async (folder) => {
    const built = path.join(folder, "built");
    const moved = path.join(folder, "moved");
    await mkdir(built);
    await cp(path.join(repository, "bin/compile-cache.cjs"), path.join(built, "compile-cache.cjs"));
    await writeFile(path.join(built, "main.mjs"), "globalThis.started = true;\n");
    const run = (at: string): Promise<Outcome> =>
      start(
        process.execPath,
        ["--require", path.join(at, "compile-cache.cjs"), path.join(at, "main.mjs")],
        { env: { NODE_DEBUG_NATIVE: "COMPILE_CACHE" } },
      );
    assert.not.match((await run(built)).stderr, "main.mjs was accepted");
    await rename(built, moved);
    assert.match((await run(moved)).stderr, "main.mjs was accepted");
  }));

it("says what to do where node_modules is missing", () =>
  inFolder(async (folder) => {
    await mkdir(path.join(folder, "bin"));
    const file = path.join(folder, "bin/muster");
    await cp(path.join(repository, "bin/muster"), file);
    await chmod(file, 0o755);
    const { code, stdout, stderr } = await start(file, ["status"]);
    assert.is(code, 1);
    assert.is(stdout, "");
    assert.match(stderr, /^muster: the pinned runtime is not installed; run 'npm ci' in .*\n$/);
    assert.ok(stderr.includes(folder));
  }));

const environment = (cli: CliBench): Readonly<Record<string, string>> => ({
  MUSTER_DATA_DIR: cli.folder,
});

it(
  "reads secrets from standard input",
  withCli(async (cli) => {
    cli.on("PATCH /v1/vars", { body: { vars: {}, versions: {} } });
    const input = "db_password: hunter2\n";
    const env = environment(cli);
    const { code, stderr } = await start(
      path.join(repository, "bin/muster"),
      ["vars", "set", "--file", "-"],
      { env, input },
    );
    assert.is(code, 0, stderr);
    assert.equal(cli.request("PATCH", "/v1/vars").body, { db_password: "hunter2" });
  }),
);

it(
  "ends quietly when the reader of its output goes away",
  withCli(async (cli) => {
    const event = {
      index: 1,
      seq: 0,
      time: "t",
      type: "x",
      subject: "s",
      message: "m".repeat(1000),
      by: "b",
      data: {},
    };
    cli.on("GET /v1/events", { lines: Array.from({ length: 2000 }, () => event) });
    const script = `set -o pipefail; "$0" events | head -n 1 >/dev/null`;
    const file = path.join(repository, "bin/muster");
    const { code, stderr } = await start("bash", ["--norc", "-c", script, file], {
      env: environment(cli),
    });
    assert.is(stderr, "");
    assert.is(code, 0);
  }),
);

it(
  "keeps its exit code when nobody reads standard error",
  withCli(async (cli) => {
    const file = path.join(repository, "bin/muster");
    const script = `"$0" nodes show nobody 2> >(exec true); exit $?`;
    const { code } = await start("bash", ["--norc", "-c", script, file], { env: environment(cli) });
    assert.is(code, 4);
  }),
);

it.run();
