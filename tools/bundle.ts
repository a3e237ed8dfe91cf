/**
 * Bundles the program: three files instead of some thousands, so that an agent starts faster and needs less memory, and
 * can be copied to a machine with its four native packages instead of a checkout.
 *
 *   node tools/bundle.ts [FOLDER]      default: dist
 */
import { chmod, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { build } from "esbuild";
import { programFiles } from "../src/base/program-files.ts";
import { version } from "../src/base/version.ts";

const root = path.join(import.meta.dirname, "..");
/** Bundled code that was CommonJS asks for `require`. */
const banner = `import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);`;
/** What comes with machine code stays a package. */
const native = ["classic-level", "node-pty", "msgpackr-extract"];

const launcher = `#!/bin/sh
self=$0
while [ -h "$self" ]; do
  target=$(readlink "$self")
  case $target in /*) self=$target ;; *) self=$(dirname "$self")/$target ;; esac
done
here=$(CDPATH='' cd -- "$(dirname "$self")" && pwd -P)
exec "$here/node_modules/node/bin/node" --max-semi-space-size=8 "$here/${programFiles.cli}.mjs" "$@"
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
    banner: { js: banner },
    logLevel: "warning",
  });
  await symlink(path.join(root, "node_modules"), path.join(folder, "node_modules"));
  await writeFile(
    path.join(folder, "package.json"),
    `${JSON.stringify({ name: "muster", version })}\n`,
  );
  await writeFile(path.join(folder, "muster"), launcher);
  await chmod(path.join(folder, "muster"), 0o755);
}

if (import.meta.main) await bundle(path.resolve(process.argv[2] ?? path.join(root, "dist")));
