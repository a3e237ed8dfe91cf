/** Files of a data directory that are gone: the agent says which, and never goes on as if it had never had them. */
import { cp, mkdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TestCluster } from "../support/agents.ts";
import { WriteLedger } from "../support/ledger.ts";
import { until } from "../support/until.ts";

const it = suite("lost files");
let cluster: TestCluster;

interface Raft {
  readonly firstIndex: number;
}

it.before(async () => {
  cluster = await TestCluster.start({ size: 1 });
});

it.after(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** Starts the agent without what `lose` takes away; resolves with its exit code and last words, all put back. */
async function startsWithout(lose: (dataDir: string) => Promise<void>): Promise<string> {
  const agent = cluster.first;
  await agent.kill("SIGKILL");
  const copy = `${agent.dataDir}.copy`;
  await cp(agent.dataDir, copy, { recursive: true, filter: (file) => !file.endsWith(".sock") });
  await lose(agent.dataDir);
  const before = agent.log().length;
  cluster.restart(agent);
  const code = await agent.exited();
  const words = agent.log().slice(before);
  await rm(agent.dataDir, { recursive: true });
  await rename(copy, agent.dataDir);
  cluster.restart(agent);
  await cluster.ready(agent, 1);
  return `${String(code)} ${words}`;
}

it("does not form its cluster a second time when its log is gone", async () => {
  const end = await startsWithout((dataDir) => rm(path.join(dataDir, "raft"), { recursive: true }));
  assert.match(end, /^1 .*it is gone, with its watermark.*new data directory.*LOG_CORRUPT/s);
});

it("does not take another name among members when its key is gone", async () => {
  const end = await startsWithout((dataDir) => rm(path.join(dataDir, "identity.key")));
  assert.match(end, /^1 .*identity\.key" is gone.*Restore it from a backup.*IDENTITY_MISSING/s);
});

it("touches nothing while the volume of its snapshots is not mounted", async () => {
  await using alone = await TestCluster.start({ size: 1, args: ["--snapshot-entries", "100"] });
  const ledger = new WriteLedger();
  const agent = alone.first;
  const snapshots = path.join(agent.dataDir, "raft", "snapshots");
  await until({ what: "its log begins behind a snapshot" }, async () => {
    for (let i = 0; i < 20; i += 1) await ledger.write(agent);
    return (await agent.get<Raft>("/v1/operator/raft")).firstIndex > 1;
  });
  await agent.kill("SIGKILL");
  await rename(snapshots, `${snapshots}.away`);
  await mkdir(snapshots);
  const before = agent.log().length;
  alone.restart(agent);
  assert.is(await agent.exited(), 75);
  assert.match(
    agent.log().slice(before),
    /is its volume not mounted.*No entry of the log was changed/,
  );
  await rm(snapshots, { recursive: true });
  await rename(`${snapshots}.away`, snapshots);
  alone.restart(agent);
  await alone.ready(agent, 1);
  assert.equal(await ledger.lostOn(agent), []);
});

it("gets all of it from the others when its snapshot is gone, and votes again", async () => {
  const args = ["--snapshot-entries", "100"];
  await using three = await TestCluster.start({ size: 3, args });
  const ledger = new WriteLedger();
  const victim = await three.follower();
  const snapshots = path.join(victim.dataDir, "raft", "snapshots");
  await until({ what: "its log begins behind a snapshot" }, async () => {
    for (let i = 0; i < 20; i += 1) await ledger.write(three.first);
    return (await victim.get<Raft>("/v1/operator/raft")).firstIndex > 1;
  });
  await victim.kill("SIGKILL");
  await rm(snapshots, { recursive: true });
  three.restart(victim);
  await three.ready(victim, 3);
  await until({ what: "it is whole again" }, async () => {
    return /log +was damaged .*it is whole again/.test((await victim.cli(["status"])).stdout);
  });
  assert.equal(await ledger.lostOn(victim), []);
});

it("starts whatever is left of its lock", async () => {
  const agent = cluster.first;
  await agent.kill("SIGKILL");
  await writeFile(path.join(agent.dataDir, "lock", "CURRENT"), "");
  cluster.restart(agent);
  await cluster.ready(agent, 1);
});

it.run();
