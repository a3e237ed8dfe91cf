/** What an agent does that reaches no other member: on an inventory and virtual time. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SolitudeWatch } from "../../../src/agent/solitude-watch.ts";
import { abortReason } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { type MemberView } from "../../../src/gossip/ports.ts";
import { cluster, peer } from "../../support/inventory.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("agent/solitude-watch");
const periodMs = 1000;
const seeds = ["10.0.0.8:7700", "10.0.0.9:7700"];

interface Setting {
  readonly nodes?: readonly string[];
  readonly alive?: readonly string[];
  readonly dial?: (signal: AbortSignal) => Promise<void>;
}

async function watch({ nodes = ["n1", "n2"], alive = ["n1"], dial }: Setting) {
  const clock = new VirtualClock();
  const dialed: string[] = [];
  const warnings: string[] = [];
  const members = { current: alive };
  const solitude = new SolitudeWatch(
    { periodMs, seeds },
    {
      self: peer("n1"),
      view: cluster(...nodes).view,
      gossip: { members: () => members.current.map(aliveMember) },
      dialSeed: async (seed, signal) => {
        dialed.push(seed);
        await dial?.(signal);
      },
      clock,
      logger: { ...silentLogger, warn: (_data, message) => warnings.push(message) },
    },
  );
  await solitude.start();
  return { clock, dialed, warnings, members, solitude };
}

function aliveMember(name: string): MemberView {
  return {
    id: peer(name),
    name,
    address: "10.0.0.1:7700",
    status: "alive",
    incarnation: 1,
    bootId: "b",
    rttMs: null,
    tags: {},
    since: 0,
  };
}

it("dials the seeds again and again while no other member can be reached", async () => {
  const { clock, dialed, members, solitude } = await watch({});
  await clock.advance(periodMs * 2);
  assert.equal(dialed, [...seeds, ...seeds]);
  members.current = ["n1", "n2"];
  await clock.advance(periodMs * 5);
  assert.is(dialed.length, 4);
  await solitude.stop();
});

it("goes on with the next seed when one does not answer", async () => {
  const { clock, dialed, solitude } = await watch({
    dial: () => Promise.reject(new Error("ECONNREFUSED")),
  });
  await clock.advance(periodMs);
  assert.equal(dialed, seeds);
  await solitude.stop();
});

it("leaves seeds alone in company, and where the cluster is this node alone", async () => {
  for (const setting of [{ alive: ["n1", "n2"] }, { nodes: ["n1"] }]) {
    const { clock, dialed, warnings, solitude } = await watch(setting);
    await clock.advance(periodMs * 5);
    assert.equal([dialed, warnings], [[], []]);
    await solitude.stop();
  }
});

it("says once in twenty checks that it is alone", async () => {
  const { clock, warnings, solitude } = await watch({});
  await clock.advance(periodMs * 20);
  assert.is(warnings.length, 1);
  await clock.advance(periodMs);
  assert.is(warnings.length, 2);
  await solitude.stop();
});

it("ends while a seed is being dialed", async () => {
  const dial = (signal: AbortSignal): Promise<void> =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(abortReason(signal)));
    });
  const { clock, dialed, solitude } = await watch({ dial });
  await clock.advance(periodMs);
  assert.is(dialed.length, 1);
  await solitude.stop();
});

it.run();
