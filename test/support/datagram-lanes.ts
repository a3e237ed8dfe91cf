/** The datagram lanes of several nodes of one mesh, started, with one key, that take datagrams from each other. */
import { createHash } from "node:crypto";
import { type PeerId } from "../../src/base/ids.ts";
import { DatagramLane } from "../../src/p2p/datagram-lane.ts";
import { type KeyRing } from "../../src/p2p/key-ring.ts";
import { type TestNode } from "./mesh.ts";

export const testRing: KeyRing = { sealing: 1, keys: [{ id: 1, secret: Buffer.alloc(32, 1) }] };

export function testBootId(peer: PeerId): string {
  return createHash("sha256").update(peer).digest("hex").slice(0, 32);
}

export async function datagramLanes(
  clusterId: string,
  nodes: readonly TestNode[],
): Promise<ReadonlyMap<PeerId, DatagramLane>> {
  const lanes = new Map<PeerId, DatagramLane>();
  for (const node of nodes) {
    const { id, host, clock, logger } = node;
    const lane = new DatagramLane(
      {
        ...{ self: id, bootId: testBootId(id), clusterId, isNeeded: true },
        listen: () => host.listenAddress(),
      },
      { clock, logger },
    );
    lane.setRing(testRing);
    for (const other of nodes) {
      if (other === node) continue;
      lane.setAddress(other.id, other.host.listenAddress());
      lane.setPeer(other.id, testBootId(other.id));
    }
    await lane.start(new AbortController().signal);
    lanes.set(id, lane);
  }
  return lanes;
}
