import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentLogger } from "../../../../src/base/logger.ts";
import { voterIds } from "../../../../src/consensus/core/configuration.ts";
import { type NodeId } from "../../../../src/consensus/core/types.ts";
import { Autopilot } from "../../../../src/consensus/driver/autopilot.ts";
import { defaultAutopilotLimits } from "../../../../src/consensus/driver/autopilot-plan.ts";
import { RaftCluster } from "../../../support/raft-cluster.ts";

const it = suite("autopilot at work");

/** A cluster that begins with one agent; every running agent has an autopilot. */
class Fleet {
  readonly cluster = new RaftCluster(["a"]);
  readonly admitted: NodeId[] = [];
  readonly gone = new Set<NodeId>();
  readonly #autopilots = new Map<NodeId, Autopilot>();

  async start(id: NodeId): Promise<void> {
    await this.cluster.start(id, id === "a");
    if (!this.admitted.includes(id)) this.admitted.push(id);
    const autopilot = new Autopilot(
      { self: id, limits: defaultAutopilotLimits },
      {
        node: this.cluster.node(id).consensus,
        members: {
          admitted: () => this.admitted.filter((one) => !this.gone.has(one)),
          isGone: (one) => this.gone.has(one),
          isAlive: (one) => this.cluster.nodes.has(one),
        },
        clock: this.cluster.clock,
        logger: silentLogger,
      },
    );
    await autopilot.start();
    this.#autopilots.set(id, autopilot);
  }

  async crash(id: NodeId): Promise<void> {
    this.cluster.crash(id);
    await this.#autopilots.get(id)?.stop();
  }

  voters(): string {
    const status = this.cluster.leader()?.consensus.status();
    if (status === undefined || status.quorumLost) return "";
    const done = status.effective.index === status.committed.index;
    return done ? [...voterIds(status.effective)].sort().join("") : "";
  }

  async until(voters: string, limitMs = 60_000): Promise<number> {
    return this.cluster.clock.until(
      `the voters are ${voters}`,
      () => this.voters() === voters,
      limitMs,
    );
  }

  async write(text: string): Promise<void> {
    const leader = await this.cluster.elected();
    await this.cluster.settle(this.cluster.write(leader, text));
  }

  async stop(): Promise<void> {
    for (const autopilot of this.#autopilots.values()) await autopilot.stop();
    await this.cluster.stopAll();
  }
}

async function fleet(ids: string, test: (fleet: Fleet) => Promise<void>): Promise<void> {
  const one = new Fleet();
  try {
    for (const id of ids) await one.start(id);
    await test(one);
  } finally {
    await one.stop();
  }
}

it("grows from one agent to three voters within seconds", () =>
  fleet("abc", async (f) => {
    const tookMs = await f.until("abc");
    assert.ok(tookMs < 5000, `${tookMs} ms`);
    await f.write("one");
    await f.cluster.converged();
  }));

it("makes five voters of six agents, once they are stable", () =>
  fleet("abcdef", async (f) => {
    await f.cluster.clock.until("five vote", () => f.voters().length === 5);
    await f.cluster.clock.advance(30_000);
    assert.is(f.voters().length, 5);
    await f.write("one");
    await f.cluster.converged();
  }));

it("shrinks from five to one as agents die one after another, and grows again", () =>
  fleet("abcde", async (f) => {
    await f.cluster.clock.until("five vote", () => f.voters().length === 5);
    await f.write("five");
    for (let left = 4; left >= 1; left -= 1) {
      const leader = await f.cluster.elected();
      const victim = [...f.cluster.nodes.keys()].find((id) => id !== leader.id) ?? "";
      await f.crash(victim);
      await f.cluster.clock.advance(15_000);
      await f.write(`${left}`);
      assert.not(f.voters().includes(victim), `${victim} is out of ${f.voters()}`);
    }
    assert.is(f.voters().length, 1);
    for (const id of "abcde") if (!f.cluster.nodes.has(id)) await f.start(id);
    await f.cluster.clock.until("five vote again", () => f.voters().length === 5);
    await f.cluster.converged();
    assert.equal(f.cluster.leader()?.machine.commands, ["five", "4", "3", "2", "1"]);
  }));

it("removes an evicted leader after handing over", () =>
  fleet("abc", async (f) => {
    await f.until("abc");
    const old = (await f.cluster.elected()).id;
    f.gone.add(old);
    const rest = [..."abc"].filter((id) => id !== old).join("");
    await f.until(rest);
    await f.write("without it");
  }));

it.run();
