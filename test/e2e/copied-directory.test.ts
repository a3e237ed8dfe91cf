/** A data directory that was copied: two processes with one key. The later one ends, and the cluster does not notice. */
import { cp } from "node:fs/promises";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freePort, TestAgent, TestCluster } from "../support/agents.ts";
import { WriteLedger } from "../support/ledger.ts";

const it = suite("copied directory");

it("ends the agent that runs on the copy, and says why", async () => {
  await using cluster = await TestCluster.start({ size: 3 });
  const ledger = new WriteLedger();
  await ledger.write(cluster.first);
  const original = await cluster.follower();
  const copy = new TestAgent("copy", cluster.folder, await freePort());
  const filter = (file: string): boolean => path.extname(file) !== ".sock";
  await cp(original.dataDir, copy.dataDir, { recursive: true, filter });
  cluster.agents.push(copy); // ended with the others, whatever happens
  copy.start("agent");
  assert.is(await copy.exited(60_000), 5, copy.log());
  assert.match(copy.log(), /IDENTITY_DOUBLED/);
  assert.match(copy.log(), new RegExp(`started earlier, runs at ${original.address}`));
  cluster.agents.pop();
  assert.ok(original.running);
  await ledger.write(original);
  for (const agent of cluster.agents) assert.equal(await ledger.lostOn(agent), []);
});

it.run();
