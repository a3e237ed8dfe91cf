/**
 * From a source to a checked revision in the bundle store. Nothing is stored before the whole tree is found
 * good, and nothing here changes what is in force: that is the inventory's.
 */
import { stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Clock } from "../base/clock.ts";
import { type Logger } from "../base/logger.ts";
import { packTree } from "./bundle-archive.ts";
import { type FileBundleStore } from "./bundle-store.ts";
import { openDirectorySource } from "./directory-source.ts";
import { engineError } from "./errors.ts";
import { Git, withoutCredentials } from "./git-process.ts";
import { openGitSource } from "./git-source.ts";
import { invalidManifest, manifestBytesLimit, manifestName, parseManifest } from "./manifest.ts";
import { type ConfigRepository, type FetchedRevision } from "./ports.ts";
import {
  type SourceTree,
  checkTreeSize,
  isInsideLink,
  manifestTree,
  treeProblems,
} from "./source-tree.ts";

export interface ConfigRepositoryOptions {
  readonly dataDir: string;
  /** Environment for git: PATH, HOME, SSH_AUTH_SOCK, GIT_SSH_COMMAND, proxies. Default PATH alone. */
  readonly gitEnvironment?: Readonly<Record<string, string>>;
  /** For one call of git. Default 2 min. */
  readonly gitTimeoutMs?: number;
  /** All contents of a tree. Default 64 MiB. */
  readonly treeBytes?: number;
  /** Default 20 000. */
  readonly treeFiles?: number;
  /** What is fetched of one repository. Default 512 MiB. */
  readonly mirrorBytes?: number;
}

export interface ConfigRepositoryDependencies {
  readonly bundles: Pick<FileBundleStore, "add">;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Source = { readonly url: string; readonly ref: string | null };

export function createConfigRepository(
  options: ConfigRepositoryOptions,
  dependencies: ConfigRepositoryDependencies,
): ConfigRepository {
  return new SourceConfigRepository(options, dependencies);
}

class SourceConfigRepository implements ConfigRepository {
  readonly #options: Required<Omit<ConfigRepositoryOptions, "gitEnvironment" | "gitTimeoutMs">>;
  readonly #dependencies: ConfigRepositoryDependencies;
  readonly #git: Git;
  /** One fetch at a time: they share the bare repositories. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: ConfigRepositoryOptions, dependencies: ConfigRepositoryDependencies) {
    this.#options = {
      dataDir: options.dataDir,
      treeBytes: options.treeBytes ?? 64 * 1024 * 1024,
      treeFiles: options.treeFiles ?? 20_000,
      mirrorBytes: options.mirrorBytes ?? 512 * 1024 * 1024,
    };
    this.#dependencies = dependencies;
    this.#git = new Git(
      {
        environment: options.gitEnvironment ?? { PATH: "/usr/local/bin:/usr/bin:/bin" },
        timeoutMs: options.gitTimeoutMs ?? 120_000,
      },
      dependencies,
    );
  }

  async fetch(source: Source, signal: AbortSignal): Promise<FetchedRevision> {
    const mine = this.#last.then(() => this.#fetch(source, signal));
    this.#last = mine.catch(() => {}); // A failed fetch is its caller's; the next one begins all the same.
    return await mine;
  }

  async #fetch(source: Source, signal: AbortSignal): Promise<FetchedRevision> {
    signal.throwIfAborted();
    const tree = await this.#open(source, signal);
    const limits = { files: this.#options.treeFiles, bytes: this.#options.treeBytes };
    checkTreeSize(tree.entries, limits);
    const manifest = await readTree(tree);
    const { sha256, sizeBytes } = await this.#dependencies.bundles.add(packTree(tree));
    const commit = tree.commit ?? `dir-${sha256.slice(0, 40)}`;
    this.#dependencies.logger.info(
      {
        source: withoutCredentials(source.url),
        ref: source.ref,
        commit,
        bundle: sha256,
        sizeBytes,
      },
      "fetched a revision",
    );
    return { commit, bundle: sha256, bundleBytes: sizeBytes, manifest };
  }

  async #open({ url, ref }: Source, signal: AbortSignal): Promise<SourceTree> {
    const directory = await plainDirectory(url);
    if (directory === null) {
      return await openGitSource(
        { url, ref },
        {
          directory: path.join(this.#options.dataDir, "git"),
          mirrorBytes: this.#options.mirrorBytes,
          files: this.#options.treeFiles,
        },
        { git: this.#git, clock: this.#dependencies.clock, signal },
      );
    }
    if (ref !== null) {
      const message = `"${directory}" is a folder without git; it has no branch, tag or commit "${ref}"`;
      throw engineError("REF_NOT_FOUND", message, { source: url, ref });
    }
    const limits = { files: this.#options.treeFiles, bytes: this.#options.treeBytes };
    return await openDirectorySource(directory, limits, signal);
  }
}

const remoteUrl =
  /^(https?|ssh|git):\/\/[^-/]|^[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^-]/;

/** The folder a source names when git does not manage it; null for all that is git's. */
async function plainDirectory(url: string): Promise<string | null> {
  const local = localPath(url);
  if (local === null) {
    if (remoteUrl.test(url) && !/[\0\n\r]/.test(url)) return null;
    const message =
      `"${withoutCredentials(url)}" is not a source: give an https, ssh, git or file URL, ` +
      `USER@HOST:PATH, or an absolute path`;
    throw engineError("SOURCE_UNREACHABLE", message, { source: withoutCredentials(url) });
  }
  const git = (await exists(path.join(local, ".git"))) || (await isBareRepository(local));
  return git ? null : local;
}

function localPath(url: string): string | null {
  if (path.isAbsolute(url)) return url;
  if (!url.startsWith("file://") || !URL.canParse(url)) return null;
  const parsed = new URL(url);
  return parsed.host === "" || parsed.host === "localhost"
    ? fileURLToPath(`file://${parsed.pathname}`)
    : null;
}

async function isBareRepository(directory: string): Promise<boolean> {
  const found = await Promise.all(
    ["HEAD", "objects", "refs"].map((name) => exists(path.join(directory, name))),
  );
  return found.every(Boolean);
}

async function exists(file: string): Promise<boolean> {
  return (await stat(file).catch(() => null)) !== null;
}

/** Checks tree and manifest, everything at once. */
async function readTree(tree: SourceTree): Promise<FetchedRevision["manifest"]> {
  const problems = treeProblems(tree.entries);
  const links = await readLinks(tree);
  for (const [file, target] of links) {
    if (isInsideLink(file, target)) continue;
    const reason = `is a symbolic link to "${target}", which may lead out of the repository`;
    problems.push({ file, line: null, column: null, reason });
  }
  if (problems.length > 0) throw invalidManifest(problems);
  const manifest = tree.entries.find((entry) => entry.path === manifestName);
  if (
    manifest === undefined ||
    manifest.sizeBytes > manifestBytesLimit ||
    manifest.kind === "link"
  ) {
    const reason =
      manifest === undefined
        ? "is missing"
        : `must be a file of at most ${manifestBytesLimit} bytes`;
    throw invalidManifest([{ file: manifestName, line: null, column: null, reason }]);
  }
  for await (const content of tree.contents([manifest])) {
    return parseManifest(Buffer.from(content).toString("utf8"), manifestTree(tree.entries, links));
  }
  throw engineError("SOURCE_UNREACHABLE", `Reading "${manifestName}" gave nothing`);
}

async function readLinks(tree: SourceTree): Promise<Map<string, string>> {
  const entries = tree.entries.filter((entry) => entry.kind === "link");
  const links = new Map<string, string>();
  if (entries.length === 0) return links;
  let next = 0;
  for await (const target of tree.contents(entries)) {
    links.set(entries[next]?.path ?? "", Buffer.from(target).toString("utf8"));
    next += 1;
  }
  return links;
}
