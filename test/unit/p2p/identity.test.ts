import { suite } from "uvu";
import * as assert from "uvu/assert";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorCode } from "../../../src/base/errors.ts";
import { loadIdentity, verifySignature } from "../../../src/p2p/identity.ts";

const it = suite("p2p identity");

async function inFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "muster-identity-"));
  try {
    await body(dir);
  } finally {
    await rm(dir, { recursive: true });
  }
}

it("makes a key once, for its owner only, and is the same peer ever after", () =>
  inFolder(async (dir) => {
    const first = await loadIdentity(dir);
    const { mode } = await stat(join(dir, "identity.key"));
    assert.is(mode & 0o777, 0o600);
    assert.is((await loadIdentity(dir)).peer, first.peer);
    assert.equal(await readdir(dir), ["identity.key"]);
  }));

it("gives two processes that start at once the same key", () =>
  inFolder(async (dir) => {
    const loaded = await Promise.all(Array.from({ length: 8 }, () => loadIdentity(dir)));
    assert.is(new Set(loaded.map(({ peer }) => peer)).size, 1);
    assert.equal(await readdir(dir), ["identity.key"]);
  }));

it("refuses a key that others may read, and says the command that helps", () =>
  inFolder(async (dir) => {
    await loadIdentity(dir);
    await chmod(join(dir, "identity.key"), 0o640);
    const error: unknown = await loadIdentity(dir).catch((e) => e);
    assert.is(errorCode(error), "IDENTITY_PERMISSIONS");
    assert.match(String(error), "chmod 600");
  }));

it("makes no key where an agent is a member by one that is gone", () =>
  inFolder(async (dir) => {
    const missing: unknown = await loadIdentity(dir, { isMember: true }).catch((e) => e);
    assert.is(errorCode(missing), "IDENTITY_MISSING");
    assert.equal(await readdir(dir), []);
    const { peer } = await loadIdentity(dir);
    assert.is((await loadIdentity(dir, { isMember: true })).peer, peer);
  }));

it("refuses garbage and never replaces it", () =>
  inFolder(async (dir) => {
    const file = join(dir, "identity.key");
    for (const garbage of ["", "garbage", "\u0008\u0001\u0012\u0040"]) {
      await writeFile(file, garbage, { mode: 0o600 });
      const error: unknown = await loadIdentity(dir).catch((e) => e);
      assert.is(errorCode(error), "IDENTITY_CORRUPT");
      assert.is(await readFile(file, "utf8"), garbage);
    }
  }));

it("says so when the folder cannot be written or the file cannot be read", () =>
  inFolder(async (dir) => {
    const missing: unknown = await loadIdentity(join(dir, "no")).catch((e) => e);
    assert.is(errorCode(missing), "IDENTITY_UNREADABLE");
    await mkdir(join(dir, "identity.key"), { mode: 0o700 });
    const folder: unknown = await loadIdentity(dir).catch((e) => e);
    assert.is(errorCode(folder), "IDENTITY_UNREADABLE");
  }));

it("signs so that the peer id alone verifies it", () =>
  inFolder(async (dir) => {
    const { peer, sign } = await loadIdentity(dir);
    const bytes = Buffer.from("record");
    const signature = sign(bytes);
    assert.ok(verifySignature(peer, bytes, signature));
    assert.not(verifySignature(peer, Buffer.from("Record"), signature));
    assert.not(verifySignature(peer, bytes, signature.subarray(1)));
    assert.not(verifySignature("nobody", bytes, signature));
  }));

it.run();
