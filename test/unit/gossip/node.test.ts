import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId } from "../../../src/base/ids.ts";
import { GossipAgents } from "./gossip-agents.ts";

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

it.run();
