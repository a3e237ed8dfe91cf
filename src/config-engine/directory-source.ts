/** A plain folder as a source: its files as they are now. It has no commit; its bundle gives it a name. */
import { type Dirent } from "node:fs";
import { lstat, readFile, readdir, readlink } from "node:fs/promises";
import path from "node:path";
import { errorMessage } from "../base/errors.ts";
import { engineError } from "./errors.ts";
import {
  type SourceEntry,
  type SourceTree,
  type TreeLimits,
  checkTreeSize,
} from "./source-tree.ts";

/** @throws AgentError SOURCE_UNREACHABLE, BUNDLE_TOO_LARGE. */
export async function openDirectorySource(
  directory: string,
  limits: TreeLimits,
  signal: AbortSignal,
): Promise<SourceTree> {
  const entries: SourceEntry[] = [];
  try {
    await walk({ root: directory, limits, signal, entries }, "");
  } catch (error) {
    signal.throwIfAborted();
    throw unreadable(directory, error);
  }
  return { commit: null, entries, contents: (some) => contents(directory, some) };
}

interface Walk {
  readonly root: string;
  readonly limits: TreeLimits;
  readonly signal: AbortSignal;
  readonly entries: SourceEntry[];
}

async function walk(context: Walk, folder: string): Promise<void> {
  context.signal.throwIfAborted();
  const children = await readdir(path.join(context.root, folder), { withFileTypes: true });
  for (const child of children) {
    if (child.name === ".git") continue;
    const at = folder === "" ? child.name : `${folder}/${child.name}`;
    if (child.isDirectory()) await walk(context, at);
    else {
      context.entries.push(await entryOf(context.root, at, child));
      checkTreeSize(context.entries, context.limits); // Before a huge tree is walked to its end.
    }
  }
}

async function entryOf(root: string, at: string, child: Dirent): Promise<SourceEntry> {
  const { size, mode } = await lstat(path.join(root, at));
  if (child.isSymbolicLink()) return { path: at, kind: "link", sizeBytes: size };
  if (!child.isFile()) return { path: at, kind: "special", sizeBytes: 0 };
  return { path: at, kind: (mode & 0o100) === 0 ? "file" : "executable", sizeBytes: size };
}

async function* contents(
  root: string,
  entries: readonly SourceEntry[],
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const entry of entries) {
    const file = path.join(root, entry.path);
    try {
      yield entry.kind === "link" ? Buffer.from(await readlink(file)) : await readFile(file);
    } catch (error) {
      throw unreadable(root, error);
    }
  }
}

function unreadable(directory: string, error: unknown): Error {
  if (error instanceof Error && "code" in error && error.code === "BUNDLE_TOO_LARGE") return error;
  return engineError(
    "SOURCE_UNREACHABLE",
    `Reading the folder "${directory}" failed: ${errorMessage(error)}`,
    { source: directory },
    { cause: error },
  );
}
