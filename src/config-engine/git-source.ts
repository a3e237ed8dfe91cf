/**
 * A git repository as a source. Each URL has a bare repository in the data directory that holds what was
 * fetched, so that the next fetch brings only what is new. The URL stands in its config file and credentials in
 * a file beside it (both 0600): neither is ever an argument, where every user of the machine could read it.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Clock } from "../base/clock.ts";
import { errorMessage, isAgentError } from "../base/errors.ts";
import { ByteReader } from "./byte-reader.ts";
import { DirectorySizeGuard } from "./directory-size-guard.ts";
import { engineError } from "./errors.ts";
import { type Git, GitFailure, withoutCredentials } from "./git-process.ts";
import { type SourceEntry, type SourceTree } from "./source-tree.ts";

export interface GitRequest {
  readonly url: string;
  /** Branch, tag or commit; null is the repository's default branch. */
  readonly ref: string | null;
}

export interface GitSourceOptions {
  /** Folder for the bare repositories. */
  readonly directory: string;
  /** Largest bare repository. */
  readonly mirrorBytes: number;
  readonly files: number;
}

export interface GitSourceDependencies {
  readonly git: Git;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const wanted = "refs/muster/wanted";
/** Every fetch adds files; a repository with more of them is made anew rather than repacked. */
const packFilesLimit = 100;
const full = /^[0-9a-f]{40}([0-9a-f]{24})?$/;
const abbreviated = /^[0-9a-f]{7,64}$/;

/** @throws AgentError SOURCE_UNREACHABLE, REF_NOT_FOUND. */
export async function openGitSource(
  request: GitRequest,
  options: GitSourceOptions,
  dependencies: GitSourceDependencies,
): Promise<SourceTree> {
  if (request.ref !== null) checkRef(request.ref);
  const mirror = new GitMirror(request, options, dependencies);
  try {
    await mirror.prepare();
    const commit = await mirror.fetch();
    return await mirror.tree(commit);
  } catch (error) {
    dependencies.signal.throwIfAborted();
    if (isAgentError(error) && !(error instanceof GitFailure)) throw error;
    const source = withoutCredentials(request.url);
    throw engineError(
      "SOURCE_UNREACHABLE",
      `Fetching "${source}" failed: ${errorMessage(error)}`,
      { source },
      { cause: error },
    );
  }
}

/** What git could take for an option or for several revisions is refused before git sees it. */
function checkRef(ref: string): void {
  const plain = /^[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,254}$/.test(ref);
  if (plain && !/\.\.|@\{|\/\/|\/$|\.lock$/.test(ref)) return;
  throw engineError("REF_NOT_FOUND", `"${ref}" cannot be the name of a branch, a tag or a commit`, {
    ref,
  });
}

class GitMirror {
  readonly #request: GitRequest;
  readonly #options: GitSourceOptions;
  readonly #directory: string;
  readonly #git: Git;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;

  constructor(request: GitRequest, options: GitSourceOptions, dependencies: GitSourceDependencies) {
    this.#request = request;
    this.#options = options;
    this.#git = dependencies.git;
    this.#clock = dependencies.clock;
    this.#signal = dependencies.signal;
    const name = createHash("sha256").update(request.url).digest("hex").slice(0, 32);
    this.#directory = path.join(options.directory, `${name}.git`);
  }

  /** Makes the bare repository, or takes away what a crash of git left in it. It is used by us alone. */
  async prepare(): Promise<void> {
    await mkdir(this.#options.directory, { recursive: true, mode: 0o700 });
    await this.#tidy();
    await this.#git.run(
      ["init", "--quiet", "--bare", "--template=", "--", this.#directory],
      this.#signal,
    );
    const { url, credentials } = splitCredentials(this.#request.url);
    const secret = path.join(this.#directory, "credentials");
    await writeFile(secret, credentials === null ? "" : `${credentials}\n`, { mode: 0o600 });
    const config = [
      "[core]\n\trepositoryformatversion = 0\n\tbare = true",
      `[remote "origin"]\n\turl = ${quoteConfig(url)}`,
      `[credential]\n\thelper = ${quoteConfig(`store --file=${quoteShell(secret)}`)}`,
      "[fetch]\n\tunpackLimit = 1",
      // A git that outlives us ends by itself when nothing comes any more.
      "[http]\n\tlowSpeedLimit = 1\n\tlowSpeedTime = 60",
      "[gc]\n\tauto = 0",
    ];
    await writeFile(path.join(this.#directory, "config"), `${config.join("\n")}\n`, {
      mode: 0o600,
    });
  }

  async #tidy(): Promise<void> {
    const packs = await readdir(path.join(this.#directory, "objects/pack")).catch(() => []);
    if (packs.length > packFilesLimit || packs.some((name) => name.startsWith("tmp_"))) {
      return await rm(this.#directory, { recursive: true, force: true });
    }
    const locks = ["shallow.lock", "packed-refs.lock", "HEAD.lock", `${wanted}.lock`];
    for (const lock of locks) await rm(path.join(this.#directory, lock), { force: true });
  }

  /** Brings what the ref names, and gives its commit. */
  async fetch(): Promise<string> {
    const refs = await this.#remoteRefs();
    const { ref } = this.#request;
    const name = ref === null ? "HEAD" : candidates(ref).find((candidate) => refs.has(candidate));
    if (name !== undefined && refs.has(name)) return await this.#fetchOne(name);
    if (ref !== null && abbreviated.test(ref)) return await this.#fetchCommit(ref);
    throw this.#notFound();
  }

  async tree(commit: string): Promise<SourceTree> {
    const args = ["ls-tree", "-r", "-z", "--long", "--full-tree", "--end-of-options", commit];
    const output = await this.#own(args);
    const lines = output.toString("utf8").split("\0");
    const objects = new Map<string, string>();
    const entries = lines
      .filter((line) => line !== "")
      .map((line) => {
        const { object, ...entry } = parseTreeLine(line);
        objects.set(entry.path, object);
        return entry;
      });
    return { commit, entries, contents: (some) => this.#contents(objects, some) };
  }

  async *#contents(
    objects: ReadonlyMap<string, string>,
    entries: readonly SourceEntry[],
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const asked = entries.map((entry) => `${objects.get(entry.path)}\n`).join("");
    const stream = this.#git.stream(
      ["--git-dir", this.#directory, "cat-file", "--batch"],
      this.#signal,
      asked,
    );
    const reader = new ByteReader(stream);
    try {
      for (const entry of entries) {
        const header = await reader.line();
        const size = Number(/^[0-9a-f]+ blob (\d+)$/.exec(header)?.[1] ?? Number.NaN);
        if (size !== entry.sizeBytes)
          throw new GitFailure(`reading "${entry.path}": ${header}`, null);
        yield await reader.bytes(size);
        await reader.bytes(1);
      }
    } finally {
      await stream.return();
    }
  }

  async #remoteRefs(): Promise<Set<string>> {
    const { ref } = this.#request;
    const patterns = ref === null ? ["HEAD"] : candidates(ref);
    const output = await this.#own(["ls-remote", "--", "origin", ...patterns]);
    const names = output
      .toString("utf8")
      .split("\n")
      .map((line) => line.split("\t")[1] ?? "");
    return new Set(names.filter((name) => name !== ""));
  }

  async #fetchOne(remote: string): Promise<string> {
    await this.#fetchRefs(["--depth=1", "--", "origin", `+${remote}:${wanted}`]);
    return await this.#resolve(wanted);
  }

  /** A commit by itself: alone when the server gives it, else all branches and tags, as it may be in any. */
  async #fetchCommit(ref: string): Promise<string> {
    if (full.test(ref)) {
      try {
        await this.#fetchRefs(["--depth=1", "--", "origin", `+${ref}:${wanted}`]);
        return await this.#resolve(wanted);
      } catch (error) {
        if (!(error instanceof GitFailure) || error.exitCode === null) throw error;
      }
    }
    const all = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
    await this.#fetchRefs(["--unshallow", "--", "origin", ...all]).catch(async (error: unknown) => {
      if (!(error instanceof GitFailure) || error.exitCode === null) throw error;
      await this.#fetchRefs(["--", "origin", ...all]); // Complete already.
    });
    return await this.#resolve(ref);
  }

  async #fetchRefs(args: readonly string[]): Promise<void> {
    const packs = path.join(this.#directory, "objects/pack");
    const guard = new DirectorySizeGuard(packs, this.#options.mirrorBytes, this.#clock);
    try {
      const fetch = ["fetch", "--quiet", "--no-tags", "--force", "--no-write-fetch-head"];
      const signal = AbortSignal.any([this.#signal, guard.signal]);
      await this.#own([...fetch, "--no-recurse-submodules", ...args], signal);
    } catch (error) {
      if (!guard.exceeded) throw error;
    } finally {
      guard.stop();
    }
    if (!guard.exceeded) return;
    await rm(this.#directory, { recursive: true, force: true });
    throw this.#tooLarge();
  }

  async #resolve(ref: string): Promise<string> {
    const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`];
    const output = await this.#own(args).catch((error: unknown) => {
      throw error instanceof GitFailure && error.exitCode !== null ? this.#notFound() : error;
    });
    return output.toString("utf8").trim();
  }

  async #own(args: readonly string[], signal = this.#signal): Promise<Buffer> {
    return await this.#git.run(["--git-dir", this.#directory, ...args], signal);
  }

  #notFound(): Error {
    const source = withoutCredentials(this.#request.url);
    const { ref } = this.#request;
    const what = ref === null ? "a default branch" : `a branch, tag or commit "${ref}"`;
    return engineError("REF_NOT_FOUND", `"${source}" does not have ${what}`, { source, ref });
  }

  #tooLarge(): Error {
    const source = withoutCredentials(this.#request.url);
    return engineError(
      "BUNDLE_TOO_LARGE",
      `Fetching "${source}" failed: the repository is larger than ${this.#options.mirrorBytes} bytes`,
      { source, limit: this.#options.mirrorBytes },
    );
  }
}

/** Full names a short one may stand for, a branch before a tag. */
function candidates(ref: string): string[] {
  return ref.startsWith("refs/") ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
}

function parseTreeLine(line: string): SourceEntry & { readonly object: string } {
  const tab = line.indexOf("\t");
  const [mode, , object, size] = line.slice(0, tab).split(/ +/);
  const kinds: Readonly<Record<string, SourceEntry["kind"]>> = {
    "100644": "file",
    "100664": "file",
    "100755": "executable",
    "120000": "link",
    "160000": "submodule",
  };
  const kind = kinds[mode ?? ""] ?? "special";
  return { path: line.slice(tab + 1), kind, sizeBytes: Number(size) || 0, object: object ?? "" };
}

/** Takes user and password out of an http URL; git finds them through its credential store. */
function splitCredentials(text: string): { url: string; credentials: string | null } {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return { url: text, credentials: null };
  const url = new URL(text);
  if (url.username === "" && url.password === "") return { url: text, credentials: null };
  const credentials = `${url.protocol}//${url.username}:${url.password}@${url.host}`;
  url.username = "";
  url.password = "";
  return { url: url.href, credentials };
}

function quoteConfig(value: string): string {
  return `"${value.replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n")}"`;
}

function quoteShell(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}
