import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId } from "../../../../src/base/ids.ts";
import { GossipAgents, MemorySnapshot } from "./gossip-agents.ts";

const it = suite("gossip/node");

async function five(): Promise<GossipAgents> {
  const agents = new GossipAgents();
  for (const name of ["a", "b", "c", "d", "e"]) await agents.start(name);
  for (const name of ["b", "c", "d", "e"]) agents.contact(name, "a");
  const all = (): boolean => agents.allSee("a:alive", "b:alive", "c:alive", "d:alive", "e:alive");
  await agents.clock.until("all see five", all, 5000);
  return agents;
}

it("joins five agents through one contact within two seconds", async () => {
  const agents = await five();
  assert.ok(agents.clock.monotonicMs() < 2000, `took ${agents.clock.monotonicMs()} ms`);
  await agents.stop();
});

it("fails a killed process within two seconds, by refused re-dials", async () => {
  const agents = await five();
  await agents.kill("e");
  const gone = (): boolean => agents.allSee("a:alive", "b:alive", "c:alive", "d:alive", "e:failed");
  const ms = await agents.clock.until("all see e failed", gone, 10_000);
  assert.ok(ms >= 1000 && ms <= 2000, `took ${ms} ms`);
  await agents.stop();
});

it("shows a member that said good-bye as left, and never as failed", async () => {
  const agents = await five();
  const leaving = agents.agent("c").node.leave(5000);
  const gone = (): boolean => agents.allSee("a:alive", "b:alive", "c:left", "d:alive", "e:alive");
  const ms = await agents.clock.until("all see c left", gone, 5000);
  assert.ok(ms <= 1500, `took ${ms} ms`);
  await agents.clock.advance(5000);
  await leaving;
  await agents.kill("c");
  await agents.clock.advance(30_000);
  const kinds = agents.agent("a").events.filter((event) => event.kind === "failed");
  assert.is(kinds.length, 0);
  await agents.stop();
});

it("rejoins from its snapshot alone, with another address and a higher incarnation", async () => {
  const agents = await five();
  await agents.clock.advance(6000);
  const before = agents.agent("a").node.member(asPeerId("d"));
  const { snapshot } = agents.agent("d");
  await agents.kill("d");
  const failed = (): boolean => agents.agent("a").node.member(asPeerId("d"))?.status === "failed";
  await agents.clock.until("d failed", failed, 5000);
  await agents.start("d", { snapshot, address: "other:7946" });
  const back = (): boolean => agents.allSee("a:alive", "b:alive", "c:alive", "d:alive", "e:alive");
  const ms = await agents.clock.until("d is back", back, 5000);
  assert.ok(ms <= 2000, `took ${ms} ms`);
  const after = agents.agent("a").node.member(asPeerId("d"));
  assert.is(after?.address, "other:7946");
  assert.ok((after?.incarnation ?? 0) > (before?.incarnation ?? 0));
  await agents.stop();
});

it("saves a snapshot within six seconds of a change, and a last one at stop", async () => {
  const agents = await five();
  await agents.clock.advance(6000);
  const { snapshot, node } = agents.agent("b");
  assert.match(snapshot.text ?? "", /"a:7946"/);
  node.setTags({ a: "1" });
  const { incarnation } = node.member(asPeerId("b")) ?? { incarnation: 0 };
  await agents.stop();
  assert.match(snapshot.text ?? "", new RegExp(`"incarnation": ${incarnation}`));
});

it("starts without a snapshot that cannot be read, and says so", async () => {
  const agents = new GossipAgents();
  const snapshot = new MemorySnapshot();
  snapshot.text = "{ damaged";
  const { node, log } = await agents.start("a", { snapshot });
  assert.is(node.members().length, 1);
  assert.equal(log, ["warn snapshot of known peers is not readable, starting without it"]);
  await agents.stop();
});

it("spreads changed tags and addresses to all", async () => {
  const agents = await five();
  agents.agent("b").node.setTags({ role: "storage" });
  agents.agent("b").node.setAddress("moved:1");
  const known = (): boolean =>
    [...agents.running.values()].every(({ node }) => {
      const member = node.member(asPeerId("b"));
      return member?.tags["role"] === "storage" && member.address === "moved:1";
    });
  const ms = await agents.clock.until("all know b's new tags", known, 5000);
  assert.ok(ms <= 500, `took ${ms} ms`);
  await agents.stop();
});

it("refuses tags that do not fit, and keeps the old ones", async () => {
  const agents = new GossipAgents();
  const { node } = await agents.start("a");
  node.setTags({ fits: "yes" });
  assert.throws(() => node.setTags({ large: "x".repeat(600) }), /at most 512/);
  assert.equal(node.member(asPeerId("a"))?.tags, { fits: "yes" });
  await agents.stop();
});

it("lets a stranger in only once the inventory knows it", async () => {
  const agents = new GossipAgents();
  await agents.start("a");
  await agents.start("x", { admitted: false });
  agents.contact("x", "a");
  await agents.clock.advance(5000);
  assert.is(agents.view("a"), "a:alive");
  agents.admitted.add("x");
  await agents.clock.until("a sees x", () => agents.view("a") === "a:alive x:alive", 40_000);
  await agents.stop();
});

it("takes a member that its replica does not know yet from one that it knows", async () => {
  const agents = new GossipAgents();
  for (const name of ["a", "b"]) await agents.start(name);
  agents.contact("b", "a");
  await agents.clock.until("a sees b", () => agents.view("a") === "a:alive b:alive", 5000);
  await agents.start("x", { admitted: false });
  agents.agent("b").node.contact([{ id: asPeerId("x"), address: "x:1" }]);
  const known = (): boolean => agents.view("a") === "a:alive b:alive x:alive";
  await agents.clock.until("a heard of x through b", known, 5000);
  await agents.stop();
});

it("drops an evicted member everywhere it is evicted, for ever", async () => {
  const agents = await five();
  for (const name of ["a", "b", "c", "d"]) agents.agent(name).node.evict(asPeerId("e"));
  agents.admitted.delete("e");
  await agents.clock.advance(120_000);
  for (const name of ["a", "b", "c", "d"]) {
    assert.is(agents.view(name), "a:alive b:alive c:alive d:alive");
  }
  const kinds = agents.agent("a").events.map((event) => event.kind);
  assert.is(kinds.at(-1), "reap");
  assert.is(agents.agent("a").node.member(asPeerId("e")), null);
  await agents.stop();
});

it("keeps to an eviction that came before the start", async () => {
  const agents = new GossipAgents();
  const { node } = await agents.start("a");
  await node.stop();
  node.evict(asPeerId("e"));
  await node.start(new AbortController().signal);
  await agents.start("e");
  agents.contact("e", "a");
  node.contact([{ id: asPeerId("e"), address: "e:1" }]);
  await agents.clock.advance(5000);
  assert.is(agents.view("a"), "a:alive");
  await agents.stop();
});

it("logs malformed frames once in ten seconds, and goes on", async () => {
  const agents = await five();
  const { log, node } = agents.agent("a");
  const noisy = agents.mesh.node("f");
  for (let frame = 0; frame < 100; frame += 1) {
    noisy.gossip.sendFrame(asPeerId("a"), Uint8Array.from([9, 9, 9]));
  }
  await agents.clock.advance(5000);
  assert.equal(log, ["warn malformed gossip received, dropping it"]);
  assert.is(node.health().members, 5);
  await agents.stop();
});

it("stops to listen to a peer that floods it, and keeps its other members", async () => {
  const agents = await five();
  const { log } = agents.agent("a");
  const noisy = agents.mesh.node("f");
  for (let frame = 0; frame < 3000; frame += 1) {
    noisy.gossip.sendFrame(asPeerId("a"), Uint8Array.from([1]));
  }
  await agents.clock.advance(20_000);
  assert.equal(log, ["warn peer floods this agent with gossip, ignoring it for a minute"]);
  assert.is(agents.agent("a").node.health().members, 5);
  await agents.stop();
});

it("refuses a malformed sync, and its sender counts it as failed", async () => {
  const agents = await five();
  const answer = agents.mesh.node("f").gossip.sync(asPeerId("a"), Uint8Array.from([1, 7]), 1000);
  await agents.clock.advance(100);
  assert.is((await answer).length, 0);
  await agents.stop();
});

it("ends its good-bye also when nobody hears it", async () => {
  const agents = await five();
  for (const name of ["a", "c", "d", "e"]) agents.mesh.cut("b", name);
  const leaving = agents.agent("b").node.leave(3000);
  await agents.clock.advance(3001);
  await leaving;
  await agents.stop();
});

it("ends its good-bye at the deadline, spread or not", async () => {
  const agents = await five();
  const leaving = agents.agent("b").node.leave(1);
  let isDone = false;
  void leaving.then(() => (isDone = true));
  await agents.clock.advance(0);
  assert.not(isDone);
  await agents.clock.advance(2);
  assert.ok(isDone);
  await agents.stop();
});

it("says good-bye at once when it is alone", async () => {
  const agents = new GossipAgents();
  const { node } = await agents.start("a");
  const leaving = node.leave(5000);
  await agents.clock.advance(0);
  await leaving;
  assert.is(node.member(asPeerId("a"))?.status, "left");
  await agents.stop();
});

it("measures round trips to those it probes", async () => {
  const agents = await five();
  await agents.clock.advance(10_000);
  const rtts = agents
    .agent("a")
    .node.members()
    .map(({ rttMs }) => rttMs);
  assert.equal(rtts, [null, 2, 2, 2, 2]);
  await agents.stop();
});

it("is silent after stop, and stops twice without harm", async () => {
  const agents = await five();
  const { node, events } = agents.agent("c");
  await node.stop();
  await node.stop();
  const seen = events.length;
  await agents.clock.advance(10_000);
  assert.is(events.length, seen);
  assert.equal(node.members(), []);
  await agents.stop();
});

it("does not let one listener's failure reach another, or the protocol", async () => {
  const agents = new GossipAgents();
  const { node, log } = await agents.start("a");
  const seen: string[] = [];
  node.onEvent(() => {
    throw new Error("a bug of the listener");
  });
  const off = node.onEvent((event) => seen.push(event.kind));
  await agents.start("b");
  agents.contact("b", "a");
  await agents.clock.advance(2000);
  assert.equal(seen, ["join"]);
  assert.ok(log.includes("error listener of membership events failed"));
  off();
  await agents.stop();
});

it("warns when a second process runs with its key", async () => {
  const agents = await five();
  const { snapshot } = agents.agent("e");
  const first = agents.agent("e");
  // The mesh knows one node per id: the twin takes its place, the first one goes on speaking.
  const twin = await agents.start("e", { snapshot });
  for (let round = 0; round < 6; round += 1) {
    agents.contact("e", "a");
    first.node.contact([{ id: asPeerId("a"), address: "a:7946" }]);
    await agents.clock.advance(5000);
  }
  const warned = [...first.log, ...twin.log].filter((line) => line.startsWith("error another"));
  assert.ok(warned.length >= 1);
  assert.ok(warned.length < 20);
  await first.node.stop();
  await agents.stop();
});

it.run();
