/**
 * Bundles the program: three files instead of some thousands, so that an agent starts faster and needs less memory, and
 * can be copied to a machine with its four native packages instead of a checkout. A few agents run from it for some
 * seconds, and leave it compiled (start.cjs).
 *
 *   node tools/bundle.ts [FOLDER]      default: dist
 */
import { chmod, copyFile, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { build, type BuildOptions } from "esbuild";
import { programFiles } from "../src/base/program-files.ts";
import { errorMessage } from "../src/base/errors.ts";
import { version } from "../src/base/version.ts";
import { warmUp } from "./warm-up.ts";

const root = path.join(import.meta.dirname, "..");
/** Bundled code that was CommonJS asks for `require`. */
const moduleBanner = `import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);`;
/** What comes with machine code stays a package. */
const native = ["classic-level", "node-pty", "msgpackr-extract"];
const lineLimit = 200;
/**
 * Where semi-spaces may grow further, agents need more memory, and hardly less CPU; where they begin smaller, an idle
 * one collects every few seconds. Each of V8's threads keeps memory (docs/benchmarks.md).
 */
export const nodeFlags = [
  ...["--max-semi-space-size=4", "--min-semi-space-size=2"],
  "--v8-pool-size=2",
];
/**
 * glibc gives each thread an arena, whose free memory no other thread uses: six megabytes of an agent. Here the main
 * thread has one and all others share one, and what is free at an arena's end goes back to the system. What the
 * operator has set stays.
 */
const mallocSettings = { MALLOC_ARENA_MAX: "2", MALLOC_TRIM_THRESHOLD_: "131072" };
const mallocExports = Object.entries(mallocSettings).map(
  ([name, value]) => `${name}="\${${name}-${value}}"`,
);

const launcher = `#!/bin/sh
self=$0
while [ -h "$self" ]; do
  target=$(readlink "$self")
  case $target in /*) self=$target ;; *) self=$(dirname "$self")/$target ;; esac
done
here=$(CDPATH='' cd -- "$(dirname "$self")" && pwd -P)
export ${mallocExports.join(" ")}
exec "$here/node_modules/node/bin/node" ${nodeFlags.join(" ")} "$here/start.cjs" "$@"
`;

const common: BuildOptions = {
  bundle: true,
  platform: "node",
  target: "node24",
  external: native,
  // V8 keeps the text as long as the program runs, two bytes a letter if a single one is beyond Latin-1: half of
  // it is comments, and some have such letters. Names stay, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "none",
  charset: "ascii",
  // A crash prints the line where it happened, and a stack trace names it by number.
  lineLimit,
  logLevel: "warning",
};

/** Writes the bundle to `folder`, which is replaced. */
export async function bundle(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const { cli, ...others } = programFiles;
  await build({
    ...common,
    entryPoints: Object.values(others).map(entry),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    format: "esm",
    banner: { js: moduleBanner },
  });
  await build({
    ...common,
    entryPoints: [entry(cli)],
    outdir: folder,
    outExtension: { ".js": ".cjs" },
    format: "cjs",
    // A script that is not loaded as a module may not import later without a warning: it requires.
    supported: { "dynamic-import": false },
    define: {
      "import.meta.filename": "__filename",
      "import.meta.dirname": "__dirname",
      "import.meta.main": "true",
    },
    banner: { js: "(function (module, require, __filename, __dirname) {" },
    footer: { js: "})" },
  });
  await symlink(path.join(root, "node_modules"), path.join(folder, "node_modules"));
  await writeFile(
    path.join(folder, "package.json"),
    `${JSON.stringify({ name: "muster", version }, null, 2)}\n`,
  );
  await copyFile(path.join(import.meta.dirname, "start.cjs"), path.join(folder, "start.cjs"));
  const program = path.join(folder, "muster");
  await writeFile(program, launcher);
  await chmod(program, 0o755);
  try {
    await warmUp(folder, nodeFlags);
  } catch (error) {
    // Then it only starts slower.
    process.stderr.write(
      `${errorMessage(error)}\nThe bundle is there, without its code compiled.\n`,
    );
  }
}

function entry(file: string): { readonly in: string; readonly out: string } {
  return { in: path.join(root, "src", `${file}.ts`), out: file };
}

if (import.meta.main) await bundle(path.resolve(process.argv[2] ?? path.join(root, "dist")));
