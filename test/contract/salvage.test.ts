/** A damaged log starts over from its sound part, and votes for nothing before it has caught up. */
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pino } from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../src/base/clock.ts";
import { simpleConfiguration } from "../../src/consensus/core/configuration.ts";
import { type LogOpening } from "../../src/consensus/driver/ports.ts";
import { defaultLevelLogOptions, LevelLogStore } from "../../src/consensus/storage/level-log.ts";
import { finishExchange } from "../../src/consensus/storage/salvage.ts";
import { readWatermark } from "../../src/consensus/storage/meta-file.ts";
import { SalvagingLogStore } from "../../src/consensus/storage/salvaging-log.ts";
import { SnapshotFiles } from "../../src/consensus/storage/snapshot-files.ts";
import { commands, configEntry, genesis, shown, write } from "../support/entries.ts";
import { codeOf } from "./log-store.ts";

const it = suite<{ root: string }>("salvage");
const bootstrap = simpleConfiguration(["a", "b", "c"]);
const vote = { term: 3, vote: "b", commit: 0 };
const logger = pino({ level: "silent" });

it.before.each(async (context) => {
  context.root = await mkdtemp(path.join(tmpdir(), "muster-salvage-"));
});
it.after.each(({ root }) => rm(root, { recursive: true, force: true }));

function snapshotsOf(root: string): SnapshotFiles {
  return new SnapshotFiles({ directory: path.join(root, "snapshots"), maxBytes: 1e6 }, { logger });
}

function storeOf(root: string): SalvagingLogStore {
  const options = { ...defaultLevelLogOptions, directory: path.join(root, "raft") };
  return new SalvagingLogStore(options, {
    clock: systemClock,
    logger,
    snapshots: snapshotsOf(root),
  });
}

/** 40 writes of 5 entries; `compactTo` leaves a snapshot and forgets what is before it. */
async function filled(root: string, compactTo = 0): Promise<void> {
  const options = { ...defaultLevelLogOptions, directory: path.join(root, "raft") };
  const store = new LevelLogStore(options, { clock: systemClock });
  await store.open(genesis(bootstrap));
  for (let i = 0; i < 40; i += 1) {
    const hardState = i === 0 ? vote : null;
    await store.append(write({ entries: commands(i * 5 + 1, i * 5 + 5, 3), hardState }));
  }
  if (compactTo > 0) {
    const chain = (await store.chainAt(compactTo)) ?? "";
    const [generation] = genesis(bootstrap).lineage.generations;
    const at = { index: compactTo, term: 3, config: bootstrap, chain };
    async function* bytes() {
      yield* [Buffer.from("state")];
    }
    await snapshotsOf(root).create({ ...at, generation: generation?.id ?? "" }, bytes());
    await store.compact(compactTo + 1);
  }
  await store.close();
}

/** Flips a byte at `share` of LevelDB's newest file. */
async function damage(root: string, share: number): Promise<void> {
  const folder = path.join(root, "raft", "log");
  const name =
    (await readdir(folder))
      .filter((file) => file.endsWith(".log"))
      .sort()
      .at(-1) ?? "";
  const bytes = await readFile(path.join(folder, name));
  const at = Math.floor(bytes.byteLength * share);
  bytes[at] = (bytes[at] ?? 0) ^ 0x41;
  await writeFile(path.join(folder, name), bytes);
}

async function look(root: string): Promise<LogOpening> {
  const store = storeOf(root);
  try {
    return await store.open(genesis(bootstrap));
  } finally {
    await store.close();
  }
}

it("keeps the sound prefix, the promise and the way back to voting", async ({ root }) => {
  await filled(root);
  await damage(root, 0.5);
  const { health, recovered, lineage } = await look(root);
  assert.is(health, "salvaged");
  assert.ok(recovered.lastIndex > 0 && recovered.lastIndex < 200, String(recovered.lastIndex));
  assert.equal(shown(recovered.tail), shown(commands(1, recovered.lastIndex, 3)));
  assert.equal(lineage.voteFrom, { term: 3, index: 200 });
  assert.equal(lineage.generations, genesis(bootstrap).lineage.generations);
  assert.is(recovered.hardState.term, 3);
  assert.is(recovered.hardState.vote, "b");
  assert.ok(
    (await readdir(path.join(root, "raft"))).includes("damaged-1"),
    "what is damaged is kept",
  );
  const again = await look(root);
  assert.is(again.health, "ok", "it is an ordinary log from then on");
  assert.equal(again.lineage.voteFrom, { term: 3, index: 200 });
});

it("takes an agent to have promised when what it last wrote of its lineage is lost", async ({
  root,
}) => {
  const options = { ...defaultLevelLogOptions, directory: path.join(root, "raft") };
  const store = new LevelLogStore(options, { clock: systemClock });
  const { lineage } = genesis(bootstrap);
  const parent = lineage.generations[0]?.id ?? "";
  await store.open(genesis(bootstrap));
  await store.append(write({ entries: commands(1, 5, 3), hardState: vote }));
  const promise = { parent, ballot: { counter: 9, node: "b" }, accepted: null };
  await store.append({ ...write({}), lineage: { ...lineage, promise } });
  await store.append(write({ entries: commands(6, 10, 3) }));
  await store.close();
  await damage(root, 0.7);
  const opening = await look(root);
  assert.is(opening.health, "salvaged");
  assert.is(opening.lineage.promise?.parent, parent);
  assert.equal((await look(root)).lineage.promise, opening.lineage.promise);
});

it("goes on from a snapshot where the log before it was compacted", async ({ root }) => {
  await filled(root, 100);
  await damage(root, 0.8);
  const { recovered, health, lineage } = await look(root);
  assert.is(health, "salvaged");
  assert.is(recovered.snapshot?.index, 100);
  assert.ok(recovered.lastIndex >= 100);
  assert.equal(lineage.voteFrom, { term: 3, index: 200 });
});

/** As `filled`, with a change of the configuration before what is compacted. */
async function changedAndFilled(root: string, compactTo: number): Promise<void> {
  const options = { ...defaultLevelLogOptions, directory: path.join(root, "raft") };
  const store = new LevelLogStore(options, { clock: systemClock });
  await store.open(genesis(simpleConfiguration(["a"])));
  const changed = { ...bootstrap, index: 1 };
  await store.append(write({ entries: [configEntry(1, 3, changed)], hardState: vote }));
  await store.append(write({ entries: commands(2, 200, 3) }));
  await store.compact(compactTo + 1);
  await store.close();
}

it("starts over with nothing when the snapshot is damaged behind which its log begins", async ({
  root,
}) => {
  for (const damaged of [(file: string) => writeFile(file, "x"), (file: string) => rm(file)]) {
    await filled(root, 100);
    const folder = path.join(root, "snapshots");
    for (const name of await readdir(folder)) {
      if (name.startsWith("snap-")) await damaged(path.join(folder, name));
    }
    const { recovered, health, lineage, detail } = await look(root);
    assert.is(health, "salvaged");
    assert.match(detail, /it begins at entry 101, and no snapshot/);
    assert.is(recovered.lastIndex, 0);
    assert.equal(lineage.voteFrom, { term: 3, index: 200 });
    assert.is((await look(root)).health, "ok", "it is an ordinary log from then on");
    await rm(path.join(root, "raft"), { recursive: true });
    await rm(folder, { recursive: true });
  }
});

it("says so when the whole folder of snapshots is gone, and starts over", async ({ root }) => {
  await filled(root, 100);
  await rm(path.join(root, "snapshots"), { recursive: true });
  const { recovered, health, detail } = await look(root);
  assert.is(health, "salvaged");
  assert.match(detail, /it begins at entry 101, and the folder of snapshots is gone/);
  assert.is(recovered.lastIndex, 0);
});

it("starts nothing over while the volume of its snapshots is not mounted", async ({ root }) => {
  const unmounted = [
    (folder: string) => mkdir(folder),
    (folder: string) => symlink(path.join(root, "nowhere"), folder),
  ];
  for (const [i, leave] of unmounted.entries()) {
    const own = path.join(root, String(i));
    await filled(own, 100);
    if (i === 0) await damage(own, 0.8);
    const folder = path.join(own, "snapshots");
    await rename(folder, path.join(own, "volume"));
    await leave(folder);
    const error: unknown = await look(own).catch((thrown: unknown) => thrown);
    assert.is(codeOf(error), "LOG_OPEN_FAILED");
    assert.match(
      String(error),
      /is empty: is its volume not mounted.*No entry of the log was changed/,
    );
    assert.equal((await readdir(path.join(own, "raft"))).sort(), ["log", "meta.0", "meta.1"]);
    await rm(folder, { recursive: true });
    await symlink(path.join(own, "volume"), folder);
    const { recovered, health } = await look(own);
    assert.is(health, i === 0 ? "salvaged" : "ok", "mounted again, it is as it was");
    assert.is(recovered.firstIndex, 101);
  }
});

it("knows the members, as of no entry, when it starts over with nothing", async ({ root }) => {
  await changedAndFilled(root, 100);
  const { recovered, health } = await look(root);
  assert.is(health, "salvaged");
  assert.is(recovered.lastIndex, 0);
  assert.equal(recovered.configs, [{ ...bootstrap, index: 0 }]);
});

it("does not take a folder that cannot be read for an empty one", async ({ root }) => {
  await filled(root, 100);
  await rm(path.join(root, "snapshots"), { recursive: true });
  await writeFile(path.join(root, "snapshots"), "");
  assert.match(await look(root).then(() => "opened", String), /ENOTDIR/);
});

it("does not lower its bar when it is damaged again before it caught up", async ({ root }) => {
  await filled(root);
  await damage(root, 0.5);
  const { recovered } = await look(root);
  const store = storeOf(root);
  await store.open(genesis(bootstrap));
  const next = recovered.lastIndex + 1;
  await store.append(write({ entries: commands(next, next + 2, 3) }));
  await store.close();
  await damage(root, 0.5);
  assert.equal((await look(root)).lineage.voteFrom, { term: 3, index: 200 });
  for (let i = 0; i < 3; i += 1) {
    await damage(root, 0.5);
    await look(root);
  }
  const aside = (await readdir(path.join(root, "raft"))).filter((name) =>
    name.startsWith("damaged"),
  );
  assert.ok(aside.length <= 2, aside.join());
});

it("lets nobody attest who voted, as long as it lacks what this agent had acknowledged", async ({
  root,
}) => {
  await filled(root);
  const votersToAttest = async () => (await readWatermark(path.join(root, "raft")))?.voters;
  assert.equal(await votersToAttest(), ["a", "b", "c"]);
  await damage(root, 0.5);
  const { recovered } = await look(root);
  assert.equal(await votersToAttest(), [], "it may have acknowledged entries alone, and lost that");
  const store = storeOf(root);
  await store.open(genesis(bootstrap));
  await store.append(write({ entries: commands(recovered.lastIndex + 1, 199, 3) }));
  assert.equal(await votersToAttest(), []);
  await store.append(write({ entries: commands(200, 200, 3) }));
  assert.equal(await votersToAttest(), ["a", "b", "c"]);
  await store.close();
});

it("refuses where nothing certain is known of what was acknowledged", async ({ root }) => {
  await filled(root);
  await damage(root, 0.5);
  for (const name of ["meta.0", "meta.1"]) await writeFile(path.join(root, "raft", name), "");
  const opened = (): string => "opened";
  assert.is(await look(root).then(opened, codeOf), "LOG_CORRUPT");
  assert.is(await look(root).then(opened, codeOf), "LOG_CORRUPT", "and goes on refusing");
});

it("refuses to begin again where a log was, and all of it is gone", async ({ root }) => {
  await filled(root);
  await rm(path.join(root, "raft"), { recursive: true });
  async function* bytes() {
    yield* [Buffer.from("state")];
  }
  const at = { index: 100, term: 3, config: bootstrap, chain: "", generation: "ab".repeat(16) };
  const { id } = await snapshotsOf(root).create(at, bytes());
  const store = storeOf(root);
  const opened = store.open({ ...genesis(bootstrap), hadLog: true });
  assert.is(await opened.then(() => "opened", codeOf), "LOG_CORRUPT");
  await store.close();
  assert.is((await snapshotsOf(root).latest())?.id, id, "its log may be restored");
  assert.not((await readdir(path.join(root, "raft"))).includes("salvage"));
});

it("takes a file that LevelDB misses for damage", async ({ root }) => {
  await filled(root);
  const folder = path.join(root, "raft", "log");
  const lost = (await readdir(folder)).filter((name) => name.startsWith("MANIFEST"));
  for (const name of lost) await rm(path.join(folder, name));
  const { health, lineage } = await look(root);
  assert.is(health, "salvaged");
  assert.equal(lineage.voteFrom, { term: 3, index: 200 });
});

it("gives up nothing because of a file that cannot be opened", async ({ root }) => {
  await filled(root);
  const folder = path.join(root, "raft", "log");
  const [name = ""] = (await readdir(folder)).filter((file) => file.endsWith(".log"));
  const file = path.join(folder, name);
  await rename(file, `${file}.kept`);
  await symlink(file, file); // as with rights, which root has always
  assert.is(await look(root).then(() => "opened", codeOf), "LOG_OPEN_FAILED");
  await rename(`${file}.kept`, file);
  const { health, recovered } = await look(root);
  assert.equal([health, recovered.lastIndex], ["ok", 200]);
});

it("completes an exchange wherever a crash cut it", async ({ root }) => {
  await filled(root);
  await damage(root, 0.5);
  const before = path.join(root, "before");
  await cp(path.join(root, "raft"), before, { recursive: true });
  const { recovered } = await look(root);
  const after = path.join(root, "after");
  await cp(path.join(root, "raft"), after, { recursive: true });
  for (const done of [0, 1, 2, 3]) {
    const directory = path.join(root, `raft-${done}`);
    const parts = ["meta.0", "meta.1", "log"];
    await cp(before, directory, { recursive: true });
    await cp(after, path.join(directory, "salvage"), { recursive: true });
    await rm(path.join(directory, "salvage", "damaged-1"), { recursive: true });
    await writeFile(path.join(directory, "salvage", "ready"), "");
    for (const part of parts.slice(0, done)) {
      await mkdir(path.join(directory, "damaged-1"), { recursive: true });
      await rename(path.join(directory, part), path.join(directory, "damaged-1", part));
      await rename(path.join(directory, "salvage", part), path.join(directory, part));
    }
    await finishExchange(directory);
    await rm(path.join(root, "raft"), { recursive: true });
    await rename(directory, path.join(root, "raft"));
    const opening = await look(root);
    assert.is(opening.health, "ok", `${done} parts were exchanged`);
    assert.is(opening.recovered.lastIndex, recovered.lastIndex);
    assert.not((await readdir(path.join(root, "raft"))).includes("salvage"));
  }
});

it.run();
