/**
 * Bundles the program: three files instead of some thousands, so that an agent starts faster and needs less memory, and
 * can be copied to a machine with its four native packages instead of a checkout.
 *
 *   node tools/bundle.ts [FOLDER]      default: dist
 */
import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { build } from "esbuild";
import { programFiles } from "../src/base/program-files.ts";
import { version } from "../src/base/version.ts";

const root = path.join(import.meta.dirname, "..");
/** Bundled code that was CommonJS asks for `require`. */
const banner = `import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);`;
/** What comes with machine code stays a package. */
const native = ["classic-level", "node-pty", "msgpackr-extract"];
const cacheModule = "compile-cache.cjs";
const lineLimit = 200;

const launcher = `#!/bin/sh
self=$0
while [ -h "$self" ]; do
  target=$(readlink "$self")
  case $target in /*) self=$target ;; *) self=$(dirname "$self")/$target ;; esac
done
here=$(CDPATH='' cd -- "$(dirname "$self")" && pwd -P)
set -- --require "$here/${cacheModule}" "$here/${programFiles.cli}.mjs" "$@"
exec "$here/node_modules/node/bin/node" --max-semi-space-size=4 "$@"
`;

/** Writes the bundle to `folder`, which is replaced. */
export async function bundle(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await build({
    entryPoints: Object.values(programFiles).map((file) => ({
      in: path.join(root, "src", `${file}.ts`),
      out: file,
    })),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
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
    banner: { js: banner },
    logLevel: "warning",
  });
  await symlink(path.join(root, "node_modules"), path.join(folder, "node_modules"));
  await writeFile(
    path.join(folder, "package.json"),
    `${JSON.stringify({ name: "muster", version }, null, 2)}\n`,
  );
  const program = path.join(folder, "muster");
  await copyFile(path.join(root, "bin", cacheModule), path.join(folder, cacheModule));
  await writeFile(program, launcher);
  await chmod(program, 0o755);
  // It loads what an agent loads, and leaves it compiled for whoever runs as this user.
  const env = { PATH: process.env["PATH"] };
  await promisify(execFile)(program, ["agent", "--print-config"], { env });
}

if (import.meta.main) await bundle(path.resolve(process.argv[2] ?? path.join(root, "dist")));
