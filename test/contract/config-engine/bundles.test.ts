/** Bundles on disk and between peers that fail, lie and stand still. */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Header, pack } from "tar-stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../src/base/clock.ts";
import { type AgentError, isAgentError } from "../../../src/base/errors.ts";
import { asPeerId, type PeerId } from "../../../src/base/ids.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { BundleFetcher } from "../../../src/config-engine/bundle-fetcher.ts";
import { bundleChunkBytes, createBundleHandlers } from "../../../src/config-engine/bundle-rpc.ts";
import { FileBundleStore } from "../../../src/config-engine/bundle-store.ts";
import { type EnginePeers } from "../../../src/config-engine/ports.ts";

interface Context {
  dataDir: string;
  store: FileBundleStore;
}
const it = suite<Context>("bundles");

it.before.each((context) => {
  context.dataDir = mkdtempSync(path.join(tmpdir(), "muster-bundles-"));
  context.store = new FileBundleStore({ dataDir: context.dataDir }, { clock: systemClock });
});
it.after.each(({ dataDir }) => {
  rmSync(dataDir, { recursive: true, force: true });
});

async function* stream(
  ...chunks: readonly Uint8Array[]
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function failure(failing: Promise<unknown>, code: string): Promise<AgentError> {
  try {
    await failing;
  } catch (error) {
    assert.ok(isAgentError(error, code), `${code} expected: ${String(error)}`);
    return error;
  }
  throw new Error(`${code} expected, but it succeeded`);
}

async function tar(
  ...entries: readonly (Partial<Header> & { name: string; text?: string })[]
): Promise<Buffer> {
  const archive = pack();
  for (const { text, ...header } of entries)
    archive.entry({ ...header, mtime: new Date(0) }, text ?? "");
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

it("stores what has the right hash, and nothing of what has not", async ({ store, dataDir }) => {
  const bytes = Buffer.from("bundle");
  await store.put(sha256(bytes), stream(bytes.subarray(0, 2), bytes.subarray(2)));
  assert.ok(await store.has(sha256(bytes)));
  assert.equal(Buffer.from(await store.readChunk(sha256(bytes), 2, 100)).toString(), "ndle");
  await failure(store.put("0".repeat(64), stream(bytes)), "BUNDLE_CORRUPT");
  assert.not.ok(await store.has("0".repeat(64)));
  assert.equal(readdirSync(path.join(dataDir, "bundles")), [`${sha256(bytes)}.tar`]);
});

it("takes no name that is not a hash into a path", async ({ store }) => {
  for (const name of ["../../etc/passwd", "", "A".repeat(64), "0".repeat(63)]) {
    await failure(store.has(name), "BAD_REQUEST");
    await failure(store.unpacked(name), "BAD_REQUEST");
    await failure(store.put(name, stream()), "BAD_REQUEST");
  }
});

it("refuses more bytes than a bundle may have, without storing them", async ({ dataDir }) => {
  const store = new FileBundleStore({ dataDir, bundleBytes: 10 }, { clock: systemClock });
  await failure(store.add(stream(Buffer.alloc(6), Buffer.alloc(6))), "BUNDLE_TOO_LARGE");
  assert.equal(readdirSync(path.join(dataDir, "bundles")), []);
});

it("unpacks once for all who ask at the same time", async ({ store }) => {
  const { sha256: hash } = await store.add(
    stream(await tar({ name: "a/b", text: "x", mode: 0o755 })),
  );
  const [one, two] = await Promise.all([store.unpacked(hash), store.unpacked(hash)]);
  assert.is(one, two);
  assert.is(readFileSync(path.join(one, "a/b"), "utf8"), "x");
  assert.is(await store.unpacked(hash), one);
});

it("unpacks anew what an action has changed, and else not", async ({ store }) => {
  const bundle = await tar(
    { name: "run", text: "#!/bin/sh\n", mode: 0o755 },
    { name: "lib/a", text: "a" },
  );
  const { sha256: hash } = await store.add(stream(bundle));
  const tree = await store.unpacked(hash);
  const made = statSync(path.join(tree, "run")).ino;
  await store.unpacked(hash);
  assert.is(statSync(path.join(tree, "run")).ino, made);
  const accidents = [
    () => rmSync(path.join(tree, "lib"), { recursive: true }),
    () => writeFileSync(path.join(tree, "run"), "#!/bin/nosh\n"),
    () => writeFileSync(path.join(tree, "lib/left.tmp"), "x"),
    () => rmSync(tree, { recursive: true }),
  ];
  for (const accident of accidents) {
    accident();
    assert.is(await store.unpacked(hash), tree);
    assert.is(readFileSync(path.join(tree, "run"), "utf8"), "#!/bin/sh\n");
    assert.equal(readdirSync(path.join(tree, "lib")), ["a"]);
  }
});

const hostile: [string, Partial<Header> & { name: string; text?: string }][] = [
  ["a path upwards", { name: "../escaped", text: "x" }],
  ["an absolute path", { name: "/tmp/muster-escaped", text: "x" }],
  ["a link upwards", { name: "link", type: "symlink", linkname: "../.." }],
  ["an absolute link", { name: "link", type: "symlink", linkname: "/etc" }],
  ["a hard link", { name: "link", type: "link", linkname: "/etc/passwd" }],
  ["a device", { name: "dev", type: "character-device", devmajor: 1, devminor: 3 }],
];
for (const [what, entry] of hostile) {
  it(`refuses to unpack ${what}`, async ({ store, dataDir }) => {
    const { sha256: hash } = await store.add(stream(await tar({ name: "ok", text: "x" }, entry)));
    await failure(store.unpacked(hash), "BUNDLE_CORRUPT");
    assert.not.ok(existsSync(path.join(dataDir, "bundles/unpacked", hash)));
    assert.not.ok(existsSync(path.join(dataDir, "bundles/escaped")));
    assert.not.ok(existsSync("/tmp/muster-escaped"));
  });
}

it("removes bundles nobody needs, but no young ones", async ({ store, dataDir }) => {
  const hashes: string[] = [];
  for (const name of ["a", "b", "c"]) {
    const { sha256: hash } = await store.add(stream(await tar({ name, text: name })));
    await store.unpacked(hash);
    hashes.push(hash);
  }
  const [kept = "", old = "", young = ""] = hashes;
  const bundles = path.join(dataDir, "bundles");
  const aged = [`${kept}.tar`, `${old}.tar`, `unpacked/${old}`, `unpacked/${old}.fingerprint`];
  for (const name of aged) {
    utimesSync(path.join(bundles, name), 1, 1);
  }
  writeFileSync(path.join(bundles, ".new-half"), "x");
  utimesSync(path.join(bundles, ".new-half"), 1, 1);
  const removed = await store.collect(new Set([kept]));
  assert.equal([...removed].sort(), [`${old}.tar`, old, `${old}.fingerprint`, ".new-half"].sort());
  assert.ok(await store.has(kept));
  assert.ok(await store.has(young));
});

/** Peers by what they do when asked for a chunk; all of them say they have the bundle. */
type Behaviour = (offset: number) => Promise<Uint8Array>;

class Peers implements EnginePeers {
  readonly asked = new Map<string, number>();
  readonly #behaviours: Readonly<Record<string, Behaviour>>;

  constructor(behaviours: Readonly<Record<string, Behaviour>>) {
    this.#behaviours = behaviours;
  }

  candidates(): readonly PeerId[] {
    return Object.keys(this.#behaviours).map(asPeerId);
  }

  hasBundle(): Promise<boolean> {
    return Promise.resolve(true);
  }

  async bundleChunk(peer: PeerId, _hash: string, offset: number): Promise<Uint8Array> {
    this.asked.set(peer, (this.asked.get(peer) ?? 0) + 1);
    const behaviour = this.#behaviours[peer];
    if (behaviour === undefined) throw new Error(`${peer} is away`);
    return await behaviour(offset);
  }
}

const content = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 7 + (i >> 8)) & 255));
const hash = sha256(content);
const chunks = Math.ceil(content.length / bundleChunkBytes);

const honest: Behaviour = async (offset) => {
  await new Promise(setImmediate);
  return content.subarray(offset, offset + bundleChunkBytes);
};
const lying: Behaviour = async (offset) => {
  const bytes = Buffer.from(await honest(offset));
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  return bytes;
};
const short: Behaviour = async (offset) => (await honest(offset)).subarray(1);
const failing: Behaviour = () => Promise.reject(new Error("connection lost"));

function fetcherOf({ store, dataDir }: Context, peers: EnginePeers): BundleFetcher {
  return new BundleFetcher(
    { dataDir },
    { bundles: store, peers, random: seededRandom(1), logger: silentLogger },
  );
}
const { signal } = new AbortController();

it("takes chunks from several peers, each chunk once", async (context) => {
  const peers = new Peers({ a: honest, b: honest, c: honest });
  await fetcherOf(context, peers).ensureBundle(hash, content.length, signal);
  assert.is(await context.store.sizeBytes(hash), content.length);
  assert.is(peers.asked.size, 3);
  assert.is(
    [...peers.asked.values()].reduce((a, b) => a + b),
    chunks,
  );
  assert.equal(readdirSync(path.join(context.dataDir, "bundles/partial")), []);
});

it("asks nobody for what it has", async (context) => {
  const peers = new Peers({ a: honest });
  const fetcher = fetcherOf(context, peers);
  await fetcher.ensureBundle(hash, content.length, signal);
  peers.asked.clear();
  await fetcher.ensureBundle(hash, content.length, signal);
  assert.is(peers.asked.size, 0);
});

it("shares one fetch among all who want the same bundle", async (context) => {
  const peers = new Peers({ a: honest });
  const fetcher = fetcherOf(context, peers);
  await Promise.all([1, 2, 3].map(() => fetcher.ensureBundle(hash, content.length, signal)));
  assert.is(peers.asked.get("a"), chunks);
});

it("gets the right bundle although one peer lies, wherever it stands", async (context) => {
  for (const names of [
    ["a", "b", "c"],
    ["c", "a", "b"],
    ["b", "c", "a"],
  ]) {
    const behaviours = Object.fromEntries(
      names.map((name) => [name, name === "a" ? lying : honest]),
    );
    await fetcherOf(context, new Peers(behaviours)).ensureBundle(hash, content.length, signal);
    assert.ok(await context.store.has(hash));
    rmSync(path.join(context.dataDir, "bundles", `${hash}.tar`));
  }
});

it("goes on with the others when a peer fails or gives too little", async (context) => {
  const peers = new Peers({ a: failing, b: short, c: honest });
  await fetcherOf(context, peers).ensureBundle(hash, content.length, signal);
  assert.ok(await context.store.has(hash));
  assert.ok((peers.asked.get("a") ?? 0) <= 4, "a peer that fails is soon left alone");
});

it("stores nothing when all peers lie", async (context) => {
  const peers = new Peers({ a: lying, b: lying });
  await failure(
    fetcherOf(context, peers).ensureBundle(hash, content.length, signal),
    "BUNDLE_CORRUPT",
  );
  assert.not.ok(await context.store.has(hash));
});

it("keeps the chunks it has when all peers fail, and asks only for the rest afterwards", async (context) => {
  let given = 0;
  const dying: Behaviour = async (offset) => {
    given += 1;
    if (given > 5) throw new Error("gone");
    return await honest(offset);
  };
  const first = fetcherOf(context, new Peers({ a: dying }));
  const error = await failure(
    first.ensureBundle(hash, content.length, signal),
    "BUNDLE_UNAVAILABLE",
  );
  assert.match(error.message, /7 chunks could not be had \(a: gone\)/);
  const peers = new Peers({ b: honest });
  await fetcherOf(context, peers).ensureBundle(hash, content.length, signal);
  assert.is(peers.asked.get("b"), chunks - 5);
});

it("does not trust chunks that a crash left behind", async (context) => {
  const peers = new Peers({ a: honest });
  const fetcher = fetcherOf(context, peers);
  await failure(
    fetcherOf(context, new Peers({ a: failing })).ensureBundle(hash, content.length, signal),
    "BUNDLE_UNAVAILABLE",
  );
  const partial = path.join(context.dataDir, "bundles/partial", hash);
  writeFileSync(partial, Buffer.alloc(content.length));
  writeFileSync(`${partial}.chunks`, "0\n1\n2\n99\nx\n");
  await fetcher.ensureBundle(hash, content.length, signal);
  assert.ok(await context.store.has(hash));
});

it("says that nobody has it, and refuses sizes out of limits", async (context) => {
  const nobody = { candidates: () => [], hasBundle: honest, bundleChunk: honest } as never;
  const fetcher = fetcherOf(context, nobody);
  await failure(fetcher.ensureBundle(hash, content.length, signal), "BUNDLE_UNAVAILABLE");
  await failure(fetcher.ensureBundle(hash, 1 << 30, signal), "BUNDLE_TOO_LARGE");
  await failure(fetcher.ensureBundle(hash, 0, signal), "BUNDLE_TOO_LARGE");
});

it("ends a fetch when told to", async (context) => {
  const controller = new AbortController();
  const stuck: Behaviour = async () => {
    controller.abort(new Error("enough"));
    throw new Error("late");
  };
  const fetching = fetcherOf(context, new Peers({ a: stuck })).ensureBundle(
    hash,
    content.length,
    controller.signal,
  );
  assert.match(String(await fetching.catch((error: unknown) => error)), /enough/);
});

it("serves peers what they may ask, and refuses the rest", async ({ store }) => {
  const { sha256: own } = await store.add(stream(content));
  const handlers = createBundleHandlers(store);
  assert.is(await handlers["bundle.has"]({ sha256: own }), true);
  assert.is(await handlers["bundle.has"]({ sha256: "0".repeat(64) }), false);
  const chunk = await handlers["bundle.chunk"]({ sha256: own, offset: bundleChunkBytes });
  assert.is(chunk.length, bundleChunkBytes);
  assert.is(chunk[0], content[bundleChunkBytes]);
  const bad = [
    null,
    7,
    {},
    { sha256: own },
    { sha256: own, offset: -1 },
    { sha256: own, offset: 0.5 },
  ];
  for (const payload of [...bad, { sha256: "../x", offset: 0 }]) {
    await failure(handlers["bundle.chunk"](payload), "BAD_REQUEST");
  }
  await failure(handlers["bundle.chunk"]({ sha256: "0".repeat(64), offset: 0 }), "NOT_FOUND");
  const many = Array.from({ length: 20 }, () =>
    handlers["bundle.chunk"]({ sha256: own, offset: 0 }),
  );
  const results = await Promise.allSettled(many);
  assert.is(results.filter((result) => result.status === "fulfilled").length, 16);
});

it.run();
