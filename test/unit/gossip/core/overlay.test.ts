/** Rapid (ATC'18) §4.1: K rings make an expander in which everybody has K observers. */
import { createHash } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId } from "../../../../src/base/ids.ts";
import { seededRandom } from "../../../../src/base/random.ts";
import { Directory } from "../../../../src/gossip/core/directory.ts";
import { MemberTable } from "../../../../src/gossip/core/member-table.ts";
import { Overlay } from "../../../../src/gossip/core/overlay.ts";
import { type SignedRecord, Status } from "../../../../src/gossip/core/types.ts";

const it = suite("gossip/overlay");

const options = { rings: 10, fullMeshUpTo: 21, selector: "ring" } as const;

class Cluster {
  readonly directory: Directory;
  readonly tables: MemberTable[] = [];
  readonly overlays: Overlay[] = [];

  constructor(nodes: number, isUp: (ix: number) => boolean = () => true) {
    this.directory = new Directory({ capacity: 10_000, rings: 10 }, (id) =>
      createHash("sha256").update(id).digest(),
    );
    for (let ix = 0; ix < nodes; ix += 1) this.directory.intern(asPeerId(`m${ix}`));
    for (let self = 0; self < nodes; self += 1) {
      const table = new MemberTable(this.directory);
      this.tables.push(table);
      this.overlays.push(new Overlay(options, { self, directory: this.directory, table }));
      for (let ix = 0; ix < nodes; ix += 1) if (isUp(ix)) this.set(self, ix, true);
    }
  }

  set(self: number, ix: number, up: boolean): void {
    const table = this.tables[self];
    if (table === undefined) return;
    if (table.record(ix) === null) table.setRecord(ix, record(ix, this.directory));
    table.setStatus(ix, up ? Status.alive : Status.failed, 0);
    if (up) this.overlays[self]?.up(ix);
    else this.overlays[self]?.down(ix);
  }

  all(ix: number, up: boolean): void {
    for (let self = 0; self < this.tables.length; self += 1) this.set(self, ix, up);
  }
}

function record(ix: number, directory: Directory): SignedRecord {
  const id = directory.id(ix);
  const flags = {
    protocolMin: 1,
    protocolMax: 1,
    leaving: false,
    degraded: false,
    datagrams: "none" as const,
  };
  const body = { id, incarnation: 1, bootId: "", name: id, address: "", tags: {}, ...flags };
  return { body, bytes: new Uint8Array(0), signature: new Uint8Array(0) };
}

it("§4.1 gives each member at most 2K neighbours, and edges that both ends see", () => {
  const { overlays } = new Cluster(100);
  overlays.forEach((overlay, self) => {
    assert.ok(overlay.neighbours().length <= 20);
    for (const ix of overlay.neighbours()) {
      assert.ok(overlays[ix]?.neighbours().includes(self), `${ix} does not know ${self}`);
    }
  });
});

it("§4.1 lets each member be observed by up to K others, and by at least one", () => {
  const { overlays } = new Cluster(100);
  const observers = new Uint32Array(100);
  for (const overlay of overlays) {
    for (const ix of overlay.subjects()) observers[ix] = (observers[ix] ?? 0) + 1;
  }
  assert.ok(observers.every((count) => count >= 1 && count <= 10));
  assert.ok(observers.reduce((sum, count) => sum + count, 0) > 900);
});

it("connects everybody with everybody up to 21 members", () => {
  const { overlays } = new Cluster(21);
  for (const overlay of overlays) {
    assert.ok(overlay.isMesh);
    assert.is(overlay.neighbours().length, 20);
  }
});

it("turns from rings to the mesh and back as members go and come", () => {
  const cluster = new Cluster(22);
  assert.not(cluster.overlays[0]?.isMesh);
  cluster.all(5, false);
  assert.is(cluster.overlays[0]?.neighbours().length, 20);
  cluster.all(5, true);
  assert.not(cluster.overlays[0]?.isMesh);
  assert.ok((cluster.overlays[0]?.neighbours().length ?? 99) <= 20);
});

it("closes the rings after each death, as if the dead had never been there", () => {
  const cluster = new Cluster(60);
  const random = seededRandom(3);
  const dead = new Set<number>();
  for (let step = 0; step < 120; step += 1) {
    const ix = 1 + random.below(59);
    cluster.all(ix, dead.has(ix));
    if (!dead.delete(ix)) dead.add(ix);
  }
  const fresh = new Cluster(60, (ix) => !dead.has(ix));
  const sorted = (overlay?: Overlay): number[] => [...(overlay?.neighbours() ?? [])].sort();
  for (let self = 0; self < 60; self += 1) {
    if (dead.has(self)) continue;
    assert.equal(sorted(cluster.overlays[self]), sorted(fresh.overlays[self]));
  }
});

it("tells by its version that nothing changed when a distant member died", () => {
  const cluster = new Cluster(200);
  const overlay = cluster.overlays[0];
  const near = new Set(overlay?.neighbours());
  const distant = Array.from({ length: 200 }, (_, ix) => ix).find((ix) => ix > 0 && !near.has(ix));
  const before = overlay?.version;
  cluster.set(0, distant ?? -1, false);
  assert.is(overlay?.version, before);
});

it.run();
