/** What a source gives: the files of one commit, before anything of them is trusted. */
import path from "node:path";
import { engineError } from "./errors.ts";
import { type ManifestProblem } from "./manifest-reader.ts";
import { type ManifestTree } from "./manifest.ts";

export interface SourceEntry {
  /** Relative, with `/`. */
  readonly path: string;
  readonly kind: "file" | "executable" | "link" | "submodule" | "special";
  readonly sizeBytes: number;
}

export interface SourceTree {
  /** Null for a directory: its bundle names it. */
  readonly commit: string | null;
  readonly entries: readonly SourceEntry[];
  /** Contents in the order asked for; of a link, its target. */
  contents(entries: readonly SourceEntry[]): AsyncIterable<Uint8Array>;
}

export interface TreeLimits {
  readonly files: number;
  /** Of all contents together. */
  readonly bytes: number;
}

const pathBytesLimit = 1024;

/** @throws AgentError BUNDLE_TOO_LARGE. */
export function checkTreeSize(entries: readonly SourceEntry[], limits: TreeLimits): void {
  if (entries.length > limits.files) {
    throw engineError(
      "BUNDLE_TOO_LARGE",
      `Packing the configuration repository failed: it has ${entries.length} files, more than ${limits.files}`,
      { files: entries.length, limit: limits.files },
    );
  }
  const bytes = entries.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  if (bytes <= limits.bytes) return;
  const largest = entries.reduce((a, b) => (b.sizeBytes > a.sizeBytes ? b : a));
  throw engineError(
    "BUNDLE_TOO_LARGE",
    `Packing the configuration repository failed: it has ${bytes} bytes, more than ${limits.bytes}; ` +
      `the largest file is "${largest.path}" (${largest.sizeBytes} bytes)`,
    { bytes, limit: limits.bytes, largest: largest.path },
  );
}

/** What in a tree cannot be packed. */
export function treeProblems(entries: readonly SourceEntry[]): ManifestProblem[] {
  const problems: ManifestProblem[] = [];
  for (const entry of entries) {
    const reason = entryProblem(entry);
    if (reason !== null) problems.push({ file: entry.path, line: null, column: null, reason });
  }
  return problems;
}

function entryProblem(entry: SourceEntry): string | null {
  if (entry.kind === "submodule")
    return "submodules are not supported; put the files into the repository";
  if (entry.kind === "special") return "is neither a file, a folder nor a symbolic link";
  if (!isInsidePath(entry.path)) return "has a path that leaves the repository";
  if (Buffer.byteLength(entry.path) > pathBytesLimit)
    return `has a path over ${pathBytesLimit} bytes`;
  return null;
}

export function isInsidePath(text: string): boolean {
  if (text === "" || text.startsWith("/") || text.includes("\0")) return false;
  return !text.split("/").some((part) => part === "" || part === "." || part === "..");
}

/**
 * True when a symbolic link stays inside the tree: relative, and `..` only at its beginning and never above
 * the root. Folders of the tree are real, so leading `..` go up where they seem to; a `..` behind a name could
 * go up from wherever a link leads, so it is refused.
 */
export function isInsideLink(linkPath: string, target: string): boolean {
  if (target === "" || target.startsWith("/") || target.includes("\0")) return false;
  const parts = target.split("/").filter((part) => part !== "" && part !== ".");
  const ups = parts.findIndex((part) => part !== "..");
  const leading = ups < 0 ? parts.length : ups;
  if (parts.slice(leading).includes("..")) return false;
  return leading <= linkPath.split("/").length - 1;
}

/** How the manifest's paths are looked up. Links are followed inside the tree. */
export function manifestTree(
  entries: readonly SourceEntry[],
  links: ReadonlyMap<string, string>,
): ManifestTree {
  const kinds = new Map(entries.map((entry) => [entry.path, entry.kind]));
  const folders = new Set(entries.flatMap((entry) => parents(entry.path)));
  const kind = (at: string, depth: number): ReturnType<ManifestTree["kind"]> => {
    const found = kinds.get(at);
    const target = links.get(at);
    if (found === "executable" || found === "file") return found;
    if (target !== undefined && depth < 8)
      return kind(path.join(path.dirname(at), target), depth + 1);
    return folders.has(at) ? "folder" : "missing";
  };
  return { kind: (at) => kind(at, 0) };
}

function parents(file: string): string[] {
  const parts = file.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
}
