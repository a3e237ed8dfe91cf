/** Newcomers of a settled cluster enter the overlay of others a moment late: they dial these themselves. */
import { createHash } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId } from "../../../../src/base/ids.ts";
import { Arrivals } from "../../../../src/gossip/core/arrivals.ts";
import { Directory } from "../../../../src/gossip/core/directory.ts";
import { MemberTable } from "../../../../src/gossip/core/member-table.ts";
import { Overlay } from "../../../../src/gossip/core/overlay.ts";
import { type SelfRecord, Status, type StatusCode } from "../../../../src/gossip/core/types.ts";

const it = suite("gossip/arrivals");
const probeIntervalMs = 1000;

class Bench {
  readonly did: string[] = [];
  readonly table: MemberTable;
  readonly arrivals: Arrivals;
  readonly overlay: Overlay;
  /** The same without a mesh. */
  readonly rings: Overlay;

  /** This agent is m0, began at 0 and knows `members` others. */
  constructor(members: number) {
    const directory = new Directory({ capacity: 100, rings: 10 }, (id) =>
      createHash("sha256").update(id).digest(),
    );
    this.table = new MemberTable(directory);
    for (let ix = 0; ix < 100; ix += 1) this.describe(directory.intern(asPeerId(`m${ix}`)));
    this.table.setStatus(0, Status.alive, 0);
    const shape = { rings: 10, fullMeshUpTo: 21, selector: "ring" } as const;
    this.overlay = new Overlay(shape, { self: 0, directory, table: this.table });
    this.rings = new Overlay(
      { ...shape, fullMeshUpTo: 0 },
      { self: 0, directory, table: this.table },
    );
    const overlay = {
      up: (ix: number) => {
        this.did.push(`up ${ix}`);
        this.overlay.up(ix);
      },
      down: (ix: number) => {
        this.did.push(`down ${ix}`);
        this.overlay.down(ix);
      },
    };
    const prober = { newcomer: (ix: number) => void this.did.push(`probes ${ix}`) };
    this.arrivals = new Arrivals({ probeIntervalMs }, { table: this.table, overlay, prober }, 0);
    for (let ix = 1; ix <= members; ix += 1) this.set(ix, Status.alive, 0);
    this.did.length = 0;
  }

  describe(ix: number): void {
    const versions = { protocolMin: 1, protocolMax: 1, leaving: false, degraded: false };
    const body: SelfRecord = {
      ...{ id: asPeerId(`m${ix}`), incarnation: 1, bootId: "", name: `m${ix}`, address: "" },
      ...{ tags: {}, datagrams: "none", ...versions },
    };
    this.table.setRecord(ix, { body, bytes: new Uint8Array(0), signature: new Uint8Array(0) });
  }

  set(ix: number, status: StatusCode, now: number): void {
    const before = this.table.status(ix);
    this.table.setStatus(ix, status, now);
    this.arrivals.changed(ix, before, status);
  }

  take(): string[] {
    return this.did.splice(0);
  }
}

it("lets a newcomer of a settled cluster wait for five probe intervals", () => {
  const bench = new Bench(30);
  bench.set(40, Status.alive, 20_000);
  assert.equal(bench.take(), []);
  assert.is(bench.arrivals.nextDeadline, 25_000);
  bench.arrivals.tick(24_999);
  assert.equal(bench.take(), []);
  bench.arrivals.tick(25_000);
  assert.equal(bench.take(), ["up 40", "probes 40"]);
  assert.is(bench.arrivals.nextDeadline, Infinity);
});

it("makes nobody wait who is back, nor anybody while it is new itself", () => {
  const bench = new Bench(30);
  bench.set(40, Status.alive, 3_999);
  assert.equal(bench.take(), ["up 40", "probes 40"]);
  bench.set(40, Status.failed, 20_000);
  assert.equal(bench.take(), ["down 40"]);
  bench.set(40, Status.alive, 30_000);
  assert.equal(bench.take(), ["up 40"]);
  bench.set(40, Status.suspect, 40_000);
  assert.equal(bench.take(), [], "a suspect is up");
});

it("makes wait who left and starts again, and forgets whom it loses meanwhile", () => {
  const bench = new Bench(30);
  bench.set(3, Status.left, 20_000);
  bench.take();
  bench.set(3, Status.alive, 30_000);
  assert.equal(bench.take(), []);
  bench.arrivals.tick(35_000);
  assert.equal(bench.take(), ["up 3"], "it is in the probe rounds since before");
  bench.set(40, Status.alive, 40_000);
  bench.set(40, Status.failed, 41_000);
  bench.take();
  assert.is(bench.arrivals.nextDeadline, Infinity);
  bench.arrivals.tick(60_000);
  assert.equal(bench.take(), []);
});

it("makes nobody wait where more than half would", () => {
  const bench = new Bench(8);
  for (let ix = 20; ix < 40; ix += 1) bench.set(ix, Status.alive, 20_000);
  const entered = bench.take().filter((text) => text.startsWith("up "));
  assert.ok(entered.length >= 2, entered.join());
  bench.arrivals.tick(25_000);
  const late = bench.take().filter((text) => text.startsWith("up "));
  assert.is(entered.length + late.length, 20);
});

/** Those that are next to this agent on no ring. */
function farFrom(members: number): readonly number[] {
  const all = Array.from({ length: 60 }, (_, i) => 40 + i);
  return all.filter((ix) => {
    const bench = new Bench(members);
    bench.set(ix, Status.alive, 0);
    bench.rings.rebuild();
    return !bench.rings.neighbours().includes(ix);
  });
}

it("ends the mesh also when those that end it enter late", () => {
  const bench = new Bench(19);
  assert.is(bench.overlay.neighbours().length, 19);
  const far = farFrom(19).slice(0, 4);
  assert.is(far.length, 4);
  for (const ix of far) bench.set(ix, Status.alive, 20_000);
  bench.arrivals.tick(25_000);
  bench.rings.rebuild();
  assert.equal(
    [...bench.overlay.neighbours()].sort(),
    [...bench.rings.neighbours()].sort(),
    "on rings",
  );
});

it.run();
