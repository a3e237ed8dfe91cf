/** A process that runs two agents' meshes, uses all of them, stops them, and must then end by itself. */
import { withMesh } from "./mesh.ts";

await withMesh(async (mesh) => {
  const [a, b] = await mesh.pair();
  b.rpc.handle("x", () => Promise.resolve(1));
  for (const node of [a, b]) {
    node.raft.setPeers([a.id, b.id]);
    node.gossip.want([a.id, b.id]);
  }
  await a.rpc.call(b.id, "x", null, { timeoutMs: 5_000 });
  a.gossip.sendFrame(b.id, Buffer.of(1));
});
