/** From sources to revisions: real git, real folders. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../src/base/clock.ts";
import { type AgentError, isAgentError } from "../../../src/base/errors.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { FileBundleStore } from "../../../src/config-engine/bundle-store.ts";
import { type ManifestProblem } from "../../../src/config-engine/manifest-reader.ts";
import { type ConfigRepository, type FetchedRevision } from "../../../src/config-engine/ports.ts";
import {
  type ConfigRepositoryOptions,
  createConfigRepository,
} from "../../../src/config-engine/repository.ts";
import { configFixture, GitRepository } from "../../support/git-repository.ts";
import { commandLine, listProcesses } from "../../support/processes.ts";
import { until } from "../../support/run-engine.ts";

interface Context {
  folder: string;
  source: GitRepository;
  bundles: FileBundleStore;
  repository: ConfigRepository;
}
const it = suite<Context>("config repository");

it.before.each((context) => {
  context.folder = mkdtempSync(path.join(tmpdir(), "muster-config-"));
  context.source = new GitRepository(path.join(context.folder, "source"));
  context.bundles = new FileBundleStore({ dataDir: dataDirOf(context) }, { clock: systemClock });
  context.repository = repositoryOf(context);
});
it.after.each(({ folder }) => {
  rmSync(folder, { recursive: true, force: true });
});

function dataDirOf({ folder }: Pick<Context, "folder">): string {
  return path.join(folder, "data");
}

function repositoryOf(
  context: Context,
  limits: Partial<ConfigRepositoryOptions> = {},
): ConfigRepository {
  return createConfigRepository(
    { dataDir: dataDirOf(context), ...limits },
    { bundles: context.bundles, clock: systemClock, logger: silentLogger },
  );
}

function fetch(
  { repository }: Pick<Context, "repository">,
  url: string,
  ref: string | null = null,
): Promise<FetchedRevision> {
  return repository.fetch({ url, ref }, new AbortController().signal);
}

async function failure(fetching: Promise<unknown>, code: string): Promise<AgentError> {
  try {
    await fetching;
  } catch (error) {
    assert.ok(isAgentError(error, code), `${code} expected: ${String(error)}`);
    return error;
  }
  throw new Error(`${code} expected, but it succeeded`);
}

it("takes the default branch when no ref is given", async (context) => {
  const { source, bundles } = context;
  const revision = await fetch(context, source.url);
  assert.is(revision.commit, source.git("rev-parse", "main"));
  assert.equal(Object.keys(revision.manifest.roles), ["base", "web"]);
  assert.equal(revision.manifest.vars, { greeting: "hello", ports: [80, 443] });
  assert.is(await bundles.sizeBytes(revision.bundle), revision.bundleBytes);
  const tree = await bundles.unpacked(revision.bundle);
  const output = execFileSync(path.join(tree, "web/configure")).toString();
  assert.is(output, "web is configured\n");
  assert.is(statSync(path.join(tree, "base/verify")).mode & 0o777, 0o555);
});

it("takes a branch, a tag, an annotated tag, a commit and the beginning of one", async (context) => {
  const { source } = context;
  const first = source.git("rev-parse", "HEAD");
  source.git("tag", "v1");
  source.git("tag", "-a", "v1-signed-off", "-m", "one");
  source.git("checkout", "--quiet", "-b", "feature/dev");
  const second = source.commit("second");
  source.git("checkout", "--quiet", "main");
  const third = source.commit("third");
  const wanted = {
    v1: first,
    "v1-signed-off": first,
    "feature/dev": second,
    "refs/heads/feature/dev": second,
    [first]: first,
    [second.slice(0, 8)]: second,
    main: third,
  };
  for (const [ref, commit] of Object.entries(wanted)) {
    assert.is((await fetch(context, source.url, ref)).commit, commit, ref);
  }
});

it("sees a branch that moved, also when it was rewritten", async (context) => {
  const { source } = context;
  const before = await fetch(context, source.url, "main");
  source.write("new", "x");
  source.git("add", "new");
  source.git("commit", "--quiet", "--amend", "-m", "rewritten");
  const after = await fetch(context, source.url, "main");
  assert.is(after.commit, source.git("rev-parse", "main"));
  assert.is.not(after.bundle, before.bundle);
});

it("takes a bare repository and one given as a path", async (context) => {
  const { source, folder } = context;
  const bare = path.join(folder, "bare.git");
  execFileSync("git", ["clone", "--quiet", "--bare", source.directory, bare]);
  const commit = source.git("rev-parse", "main");
  for (const url of [bare, `file://${bare}`, source.directory]) {
    assert.is((await fetch(context, url)).commit, commit, url);
  }
});

it("gives the same bundle for the same content, wherever and whenever it is packed", async (context) => {
  const { source, folder } = context;
  const fromGit = await fetch(context, source.url);
  const copy = path.join(folder, "copy");
  cpSync(configFixture, copy, { recursive: true });
  execFileSync("sh", [
    "-c",
    `find "${copy}" -exec touch -d 2001-01-01 {} +; chmod -R go-rwx "${copy}"`,
  ]);
  const fromFolder = await fetch(context, copy);
  assert.is(fromFolder.bundle, fromGit.bundle);
  assert.is(fromFolder.commit, `dir-${fromGit.bundle.slice(0, 40)}`);
  assert.equal(fromFolder.manifest, fromGit.manifest);
});

it("says what git said when a source cannot be reached", async (context) => {
  const gone = `file://${context.folder}/gone.git`;
  const missing = await failure(fetch(context, gone), "SOURCE_UNREACHABLE");
  assert.match(missing.message, /gone\.git" failed: /);
  const refused = await failure(fetch(context, "http://127.0.0.1:1/x.git"), "SOURCE_UNREACHABLE");
  assert.match(refused.message, /unable to access|Failed to connect/);
});

it("says when a ref is not there, or the repository has no commit", async (context) => {
  const { source, folder } = context;
  const error = await failure(fetch(context, source.url, "nope"), "REF_NOT_FOUND");
  assert.match(error.message, /does not have a branch, tag or commit "nope"/);
  await failure(fetch(context, source.url, "0".repeat(40)), "REF_NOT_FOUND");
  await failure(fetch(context, source.url, "deadbeef"), "REF_NOT_FOUND");
  const empty = path.join(folder, "empty");
  execFileSync("git", ["init", "--quiet", empty]);
  await failure(fetch(context, empty), "REF_NOT_FOUND");
  await failure(fetch(context, configFixture, "main"), "REF_NOT_FOUND");
});

it("refuses refs that git could take for something else, before git sees them", async (context) => {
  const evil = [
    "--upload-pack=touch x",
    "-x",
    "a..b",
    "main@{1}",
    "a b",
    "main:x",
    "",
    "x^{/y}",
    "a//b",
  ];
  for (const ref of evil) await failure(fetch(context, context.source.url, ref), "REF_NOT_FOUND");
  assert.not.ok(readdirSync(context.folder).includes("data"), "nothing was fetched");
});

it("refuses URLs that would run something or mean nothing", async (context) => {
  const evil = [
    "ext::sh -c 'touch x'",
    "-uhost",
    "ssh://-oProxyCommand=x/y",
    "relative/path",
    "",
    "fd::17",
  ];
  for (const url of evil) {
    const error = await failure(fetch(context, url), "SOURCE_UNREACHABLE");
    assert.match(error.message, /is not a source/, url);
  }
});

it("refuses a broken manifest with file, line and reason", async (context) => {
  const { source } = context;
  source.write("muster.yaml", "apiVersion: muster/v1\nroles:\n  base:\n    configure: base/gone\n");
  source.commit("break it");
  const error = await failure(fetch(context, source.url), "MANIFEST_INVALID");
  const reason = 'role "base", configure: "base/gone" does not exist in the repository';
  assert.equal(error.details["problems"], [{ file: "muster.yaml", line: 4, column: 16, reason }]);
  assert.match(error.message, /muster\.yaml:4:16: role "base"/);
});

it("refuses a repository without a manifest, or with a huge one", async (context) => {
  const { source } = context;
  source.write("muster.yaml", `# ${"x".repeat(300_000)}`);
  source.commit("huge");
  const huge = await failure(fetch(context, source.url), "MANIFEST_INVALID");
  assert.match(huge.message, /at most 262144 bytes/);
  source.git("rm", "--quiet", "muster.yaml");
  source.commit("gone");
  const gone = await failure(fetch(context, source.url), "MANIFEST_INVALID");
  assert.match(gone.message, /muster\.yaml: is missing/);
});

it("refuses links that leave the tree, and submodules, all at once", async (context) => {
  const { source } = context;
  symlinkSync("/etc/shadow", path.join(source.directory, "stolen"));
  symlinkSync("../../x", path.join(source.directory, "base/up"));
  symlinkSync("base/configure", path.join(source.directory, "fine"));
  source.git("add", "--all");
  source.git("update-index", "--add", "--cacheinfo", `160000,${"1".repeat(40)},lib`);
  source.git("commit", "--quiet", "-m", "links");
  const error = await failure(fetch(context, source.url), "MANIFEST_INVALID");
  const files = (error.details["problems"] as ManifestProblem[]).map(({ file }) => file);
  assert.equal(files.sort(), ["base/up", "lib", "stolen"]);
});

it("refuses a tree with too many files, or too large, before it reads them", async (context) => {
  context.source.write("large.bin", "x".repeat(200_000));
  context.source.commit("large");
  const few = { ...context, repository: repositoryOf(context, { treeFiles: 3 }) };
  const small = { ...context, repository: repositoryOf(context, { treeBytes: 100_000 }) };
  for (const url of [context.source.url, context.source.directory]) {
    await failure(fetch(few, url), "BUNDLE_TOO_LARGE");
    const error = await failure(fetch(small, url), "BUNDLE_TOO_LARGE");
    assert.is(error.details["largest"], "large.bin");
  }
  const folder = path.join(context.folder, "folder");
  cpSync(configFixture, folder, { recursive: true });
  await failure(fetch(few, folder), "BUNDLE_TOO_LARGE");
});

it("refuses a repository whose fetch is too large, and keeps nothing of it", async (context) => {
  const noise = execFileSync("head", ["-c", "300000", "/dev/urandom"]).toString("base64");
  context.source.write("noise", noise);
  context.source.commit("noise");
  const small = { ...context, repository: repositoryOf(context, { mirrorBytes: 100_000 }) };
  await failure(fetch(small, context.source.url), "BUNDLE_TOO_LARGE");
  assert.equal(readdirSync(path.join(dataDirOf(context), "git")), []);
});

it("goes on after git was killed in the middle of a fetch", async (context) => {
  await fetch(context, context.source.url);
  const mirrors = path.join(dataDirOf(context), "git");
  const mirror = path.join(mirrors, readdirSync(mirrors)[0] ?? "");
  writeFileSync(path.join(mirror, "shallow.lock"), "");
  mkdirSync(path.join(mirror, "refs/muster"), { recursive: true });
  writeFileSync(path.join(mirror, "refs/muster/wanted.lock"), "");
  writeFileSync(path.join(mirror, "objects/pack/tmp_pack_x"), "x");
  const commit = context.source.commit("second");
  assert.is((await fetch(context, context.source.url)).commit, commit);
});

/** Answers like a git server that wants a password, or never. */
async function withServer(
  behaviour: "asks" | "hangs",
  test: (url: string, seen: (string | undefined)[]) => Promise<void>,
): Promise<void> {
  const seen: (string | undefined)[] = [];
  const server: Server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    if (behaviour === "hangs") return;
    response.writeHead(401, { "WWW-Authenticate": 'Basic realm="git"' }).end();
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  try {
    await test(`127.0.0.1:${port}/x.git`, seen);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

it("gives credentials to the server, and shows them nowhere", async (context) => {
  await withServer("asks", async (address, seen) => {
    const url = `http://anna:s3cr3t@${address}`;
    const error = await failure(fetch(context, url), "SOURCE_UNREACHABLE");
    const basic = `Basic ${Buffer.from("anna:s3cr3t").toString("base64")}`;
    assert.ok(seen.includes(basic), "the server was given them");
    assert.not.match(JSON.stringify([error.message, error.details, String(error.cause)]), /s3cr3t/);
  });
});

it("keeps the URL and its credentials out of every argument, and stops git when told to", async (context) => {
  await withServer("hangs", async (address) => {
    const controller = new AbortController();
    const url = `http://anna:s3cr3t@${address}`;
    const fetching = context.repository.fetch({ url, ref: null }, controller.signal);
    fetching.catch(() => {});
    const helper = await until("git's http helper", () =>
      listProcesses().find((entry) => commandLine(entry.pid).includes(address)),
    );
    const all = listProcesses().map((entry) => commandLine(entry.pid));
    assert.not.ok(all.some((line) => line.includes("s3cr3t")));
    controller.abort(new Error("enough"));
    assert.match(String(await fetching.catch((error: unknown) => error)), /enough/);
    await until("git to be gone", () => commandLine(helper.pid) === "");
  });
});

it("gives up on a server that never answers", async (context) => {
  await withServer("hangs", async (address) => {
    const impatient = { ...context, repository: repositoryOf(context, { gitTimeoutMs: 300 }) };
    const error = await failure(fetch(impatient, `http://${address}`), "SOURCE_UNREACHABLE");
    assert.match(error.message, /took longer than 300 ms/);
  });
});

it("carries fetches out one after another, each with its own result", async (context) => {
  const { source } = context;
  source.git("branch", "other");
  const fetching = ["main", "nope", "other"].map((ref) => fetch(context, source.url, ref));
  const results = await Promise.allSettled(fetching);
  assert.equal(
    results.map((result) => result.status),
    ["fulfilled", "rejected", "fulfilled"],
  );
});

it.run();
