import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId } from "../../../../src/base/ids.ts";
import { silentLogger } from "../../../../src/base/logger.ts";
import {
  firstIncarnation,
  parseSnapshot,
  snapshotOf,
  snapshotText,
} from "../../../../src/gossip/driver/snapshot.ts";
import { SnapshotKeeper } from "../../../../src/gossip/driver/snapshot-keeper.ts";
import { snapshotFile } from "../../../../src/gossip/driver/snapshot-file.ts";
import { type MemberStatus, type MemberView } from "../../../../src/gossip/ports.ts";
import { memberView } from "../../../support/member-view.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const it = suite("gossip/snapshot");

const snapshot = {
  incarnation: 12,
  bootId: "ab",
  eventClock: 7,
  members: [{ id: asPeerId("b"), address: "b:1" }],
};

function view(name: string, status: MemberStatus, since = 0): MemberView {
  return memberView({ id: asPeerId(name), name, status, since, address: `${name}:1` });
}

it("reads back what it wrote", () => {
  assert.equal(parseSnapshot(snapshotText(snapshot)), snapshot);
});

for (const text of [
  "",
  "{",
  "[]",
  "null",
  `{"format":2}`,
  `{"format":1,"incarnation":-1}`,
  `{"format":1,"incarnation":4294967295,"bootId":"","members":[]}`,
]) {
  it(`takes ${JSON.stringify(text)} for no snapshot`, () => {
    assert.is(parseSnapshot(text), null);
  });
}

it("leaves out members that make no sense, and more than 64", () => {
  const members = [
    1,
    { id: "a" },
    ...Array.from({ length: 100 }, () => ({ id: "b", address: "c" })),
  ];
  const text = JSON.stringify({ format: 1, incarnation: 1, bootId: "", members });
  assert.is(parseSnapshot(text)?.members.length, 64);
});

it("prefers neighbours, then members that are up, then those that failed last; never those who left", () => {
  const others = [
    view("failed-long-ago", "failed", 10),
    view("failed-now", "failed", 99),
    view("far", "alive", 5),
    view("gone", "left", 100),
    view("near", "suspect", 1),
  ];
  const near = new Set([asPeerId("near")]);
  const { members } = snapshotOf(others, { near, incarnation: 1, bootId: "", eventClock: 0 });
  assert.equal(
    members.map(({ id }) => String(id)),
    ["near", "far", "failed-now", "failed-long-ago"],
  );
});

it("starts a life above the last incarnation, and above what the clock allows to have been said", () => {
  const wall = Date.UTC(2026, 0, 2);
  assert.is(firstIncarnation(null, wall), 86_400);
  assert.is(firstIncarnation(snapshot, wall), 86_400);
  assert.is(firstIncarnation({ ...snapshot, incarnation: 100_000 }, wall), 100_001);
  assert.is(firstIncarnation(null, Date.UTC(2020, 0, 1)), 1);
});

it("replaces the file at once, and leaves nothing beside it", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "muster-gossip-"));
  try {
    const file = snapshotFile(path.join(folder, "peers.json"));
    assert.is(await file.load(), null);
    await file.save("one");
    await file.save("two");
    assert.is(await file.load(), "two");
    assert.equal(await readdir(folder), ["peers.json"]);
    await writeFile(path.join(folder, "peers.json.new"), "half writ");
    assert.is(await readFile(path.join(folder, "peers.json"), "utf8"), "two");
    await file.save("three");
    assert.is(await file.load(), "three");
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("saves one after the other, however slow the disk is, and once more at the end", async () => {
  const clock = new VirtualClock();
  let [incarnation, writing, most, saved] = [1, 0, 0, 0];
  const keeper = new SnapshotKeeper({
    ...{ clock, logger: silentLogger },
    file: {
      load: () => Promise.resolve(null),
      save: async (text) => {
        most = Math.max(most, (writing += 1));
        await new Promise<void>((resolve) => void clock.setTimer(12_000, resolve));
        writing -= 1;
        saved = parseSnapshot(text)?.incarnation ?? 0;
      },
    },
    current: () => ({ ...snapshot, incarnation: (incarnation += 1) }),
  });
  keeper.start();
  await clock.advance(60_000);
  assert.is(most, 1);
  assert.is(saved, 4, "a save begins 5 s after the one before has ended");
  const stopped = keeper.stop();
  await clock.advance(24_000);
  await stopped;
  assert.equal([saved, most], [incarnation, 1]);
});

it.run();
