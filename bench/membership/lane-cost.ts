/**
 * What a probe and its answer cost on each lane, both ends together: two meshes in this process, one ping of 13 bytes
 * at a time, as an idle agent sends it, so that nothing shares a system call with anything else.
 *
 *   node bench/membership/lane-cost.ts [--seconds N] [--every MS]
 *
 * An agent sends and answers one probe a second at any size of the cluster (simulated: S5): times this, that is what the
 * choice of the lane can save. Two cores do not carry the agents that would show it directly.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { delay, systemClock } from "../../src/base/clock.ts";
import { type GossipTransport, type LaneName } from "../../src/gossip/ports.ts";
import { GossipLanes } from "../../src/p2p/gossip-lanes.ts";
import { datagramLanes, testBootId } from "../../test/support/datagram-lanes.ts";
import { type TestMesh, type TestNode, withMesh } from "../../test/support/mesh.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    every: { type: "string", default: "5" },
  },
});
const [seconds, everyMs] = [Number(values.seconds), Number(values.every)];
const ping = new Uint8Array(14).fill(1);

/** CPU of this process, in microseconds, while `count` rounds of `turn` begin `everyMs` apart. */
async function cpuOf(turn: () => void): Promise<{ readonly us: number; readonly turns: number }> {
  const end = performance.now() + seconds * 1000;
  const before = process.cpuUsage();
  let turns = 0;
  for (; performance.now() < end; turns += 1) {
    turn();
    await delay(systemClock, everyMs, new AbortController().signal);
  }
  const { user, system } = process.cpuUsage(before);
  return { us: user + system, turns };
}

async function costOf(lane: LaneName, mesh: TestMesh): Promise<number> {
  const [a, b] = await mesh.pair();
  const lanes = await datagramLanes(mesh.cluster, [a, b]);
  const both = (node: TestNode, peer: TestNode): GossipTransport => {
    const datagrams = lanes.get(node.id);
    if (datagrams === undefined) throw new Error("no lane");
    const transport = new GossipLanes("usual", node.gossip, datagrams);
    transport.setDatagrams(peer.id, { use: "usual", bootId: testBootId(peer.id) });
    return transport;
  };
  const [from, to] = [both(a, b), both(b, a)];
  let answered = 0;
  to.onFrame((peer, frame) => void to.sendFrame(peer, frame, lane));
  from.onFrame(() => void (answered += 1));
  const probe = (): void => void from.sendFrame(b.id, ping, lane);
  await cpuOf(probe); // connections open, code is compiled
  const idle = await cpuOf(() => undefined);
  answered = 0;
  const { us, turns } = await cpuOf(probe);
  for (const each of lanes.values()) await each.stop();
  if (answered < turns * 0.99) throw new Error(`${answered} of ${turns} were answered`);
  return us / turns - idle.us / idle.turns;
}

for (const lane of ["stream", "udp"] as const) {
  await withMesh(async (mesh) => {
    const us = await costOf(lane, mesh);
    const share = (us / 1_000_000) * 100;
    process.stdout.write(`${lane}: ${us.toFixed(0)} us a probe, ${share.toFixed(3)} % of a core\n`);
  });
}
