/**
 * The rows of docs/availability.md where no quorum is left: those who are there go on in a generation of their own,
 * and when the others come back the histories become one, with nothing acknowledged lost.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { compareStates } from "../nemesis/convergence.ts";
import { type TestAgent, TestCluster } from "../support/agents.ts";
import { type LabAgent } from "../support/lab/agent.ts";
import { Lab } from "../support/lab/lab.ts";
import { isolate } from "../support/lab/partitions.ts";
import { whyNoLab } from "../support/lab/requirements.ts";
import { WriteLedger } from "../support/ledger.ts";
import { until } from "../support/until.ts";

const it = suite("availability without a quorum");

interface Status {
  readonly mode: string;
  readonly cluster: { readonly generation: number };
  readonly voters: readonly { readonly name: string }[];
}

interface Raft {
  readonly lineage: { readonly generations: readonly { readonly kind: string }[] };
}

const statusOf = (agent: TestAgent): Promise<Status> => agent.get<Status>("/v1/status");

/** Silence counts after seconds instead of half a minute. */
async function hurry(agent: TestAgent): Promise<void> {
  const answer = await agent.api("PATCH", "/v1/settings", {
    body: { survivor: { silence: "3s", cold: "5s" } },
    headers: { "content-type": "application/merge-patch+json" },
  });
  assert.is(answer.status, 200, answer.text);
}

/** All agents are in one generation, with all votes and the same state, and all that was acknowledged is there. */
async function isWhole(cluster: TestCluster, ledger: WriteLedger): Promise<void> {
  await until({ what: "all are in one settled generation", deadlineMs: 90_000 }, async () => {
    const seen = await Promise.all(cluster.agents.map(statusOf));
    const generations = new Set(seen.map((status) => status.cluster.generation));
    const whole = seen.every(
      ({ mode, voters }) => mode === "normal" && voters.length === seen.length,
    );
    if (whole && generations.size === 1) return true;
    throw new Error(JSON.stringify(seen));
  });
  for (const agent of cluster.agents) {
    assert.equal(await ledger.lostOn(agent), [], `lost on ${agent.name}`);
  }
  assert.equal(await compareStates(cluster.agents, 0), []);
}

async function withLab(size: number, test: (lab: Lab) => Promise<void>): Promise<void> {
  await using lab = await Lab.start({ size });
  await hurry(lab.cluster.first);
  await test(lab);
}

const others = (lab: Lab, agent: LabAgent): readonly LabAgent[] =>
  lab.agents.filter((other) => other !== agent);

it("goes on at once with one of two when the other's agent, the leader, is killed and its machine tells", async () => {
  await using cluster = await TestCluster.start({ size: 2 });
  const ledger = new WriteLedger();
  await ledger.write(cluster.first);
  const leader = await cluster.leader();
  const other = cluster.live(leader);
  await leader.kill("SIGKILL");
  const { generation } = await ledger.write(other);
  const { lineage } = await other.get<Raft>("/v1/operator/raft");
  assert.is(lineage.generations.at(-1)?.kind, "forced-proof", `generation ${generation}`);
  cluster.restart(leader);
  await isWhole(cluster, ledger);
});

it("goes on with one of two when the leader's machine is gone, and follows when it is back", () =>
  withLab(2, async (lab) => {
    const ledger = new WriteLedger();
    await ledger.write(lab.cluster.first);
    const leader = await lab.leader();
    await leader.powerOff();
    for (const survivor of others(lab, leader)) {
      assert.is((await ledger.write(survivor)).mode, "survivor");
    }
    lab.cluster.restart(leader);
    await isWhole(lab.cluster, ledger);
  }));

it("goes on with one of three when two machines are gone; on both sides of a cut; and from a cold start", () =>
  withLab(3, async (lab) => {
    const ledger = new WriteLedger();
    await ledger.write(lab.cluster.first);
    const leader = await lab.leader();
    const [survivor, second] = others(lab, leader);
    assert.ok(survivor && second);

    await Promise.all([leader.powerOff(), second.powerOff()]);
    assert.is((await ledger.write(survivor)).mode, "survivor");
    for (const agent of [leader, second]) lab.cluster.restart(agent);
    await isWhole(lab.cluster, ledger);

    const alone = await lab.leader();
    const [left, right] = others(lab, alone);
    assert.ok(left && right);
    await lab.cut(isolate(alone.name, lab.names));
    const majority = await ledger.write(left);
    assert.is(majority.mode, "normal");
    await ledger.write(right, "contested");
    assert.is((await ledger.write(alone)).mode, "survivor");
    await ledger.write(alone, "contested");
    await lab.cut([]);
    await isWhole(lab.cluster, ledger);

    await Promise.all(lab.agents.map((agent) => agent.powerOff()));
    lab.cluster.restart(left);
    assert.is((await ledger.write(left)).mode, "survivor");
    for (const agent of [alone, right]) lab.cluster.restart(agent);
    await isWhole(lab.cluster, ledger);
  }));

const reason = await whyNoLab();
if (reason === null) {
  it.run();
} else {
  process.stdout.write(`# skip availability without a quorum: ${reason}\n`);
  const skipped = suite("availability without a quorum");
  skipped.skip(reason, () => undefined);
  skipped.run();
}
