/** A follower whose disk lost entries it had acknowledged: it neither votes nor stands before it has them again. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { defaultCoreOptions } from "../../../../src/consensus/core/options.ts";
import { emptyRecoveredLog } from "../../../../src/consensus/core/recovered.ts";
import { type LogPosition } from "../../../../src/consensus/core/types.ts";
import { newTestNode, TestNetwork, text, textOf } from "../../../support/core-network.ts";

const it = suite("consensus: lost entries");
const voters = ["a", "b", "c"];

/** Leader a with four commands; then c comes back with an empty log. */
function forgetful(connection: "closed" | "kept" = "closed"): {
  readonly network: TestNetwork;
  readonly voteFrom: LogPosition;
} {
  const network = new TestNetwork({ voters });
  network.elect("a");
  network.core("a").propose(["1", "2", "3", "4"].map(text));
  network.settle();
  const { term, last } = network.core("c").status();
  const voteFrom = { term, index: last };
  const recovered = {
    ...emptyRecoveredLog(simpleConfiguration(voters)),
    hardState: { term, vote: "a", commit: 0 },
  };
  const options = { ...defaultCoreOptions, random: () => 0.5, self: "c", voteFrom };
  network.nodes.set("c", newTestNode(options, recovered));
  if (connection === "closed") network.core("a").unreachable("c", "closed");
  return { network, voteFrom };
}

it("is found by heartbeats alone, and gets everything again", () => {
  const { network } = forgetful();
  network.tick(defaultCoreOptions.heartbeatTicks * 4, "a");
  const c = network.node("c");
  assert.is(c.core.status().last, 5);
  assert.equal(c.applied.map(textOf).filter(Boolean), ["1", "2", "3", "4"]);
  assert.is(network.core("a").status().peers.get("c")?.match, 5);
});

it("is found when its connection stayed too, as its process did", () => {
  const { network } = forgetful("kept");
  network.tick(defaultCoreOptions.heartbeatTicks * 4, "a");
  const c = network.node("c");
  assert.is(c.core.status().last, 5);
  assert.equal(c.applied.map(textOf).filter(Boolean), ["1", "2", "3", "4"]);
});

it("counts for new entries as soon as it has them", () => {
  const { network } = forgetful();
  network.isolate("b");
  network.core("a").propose([text("5")]);
  network.settle();
  network.tick(defaultCoreOptions.heartbeatTicks * 4, "a");
  assert.is(network.core("a").status().commit, 6);
});

it("gives no vote to a candidate that lacks what it had acknowledged", () => {
  const { network } = forgetful();
  network.nodes.get("b")?.core.status();
  network.isolate("a");
  const behind = newTestNode(
    { ...defaultCoreOptions, random: () => 0.5, self: "b" },
    {
      ...emptyRecoveredLog(simpleConfiguration(voters)),
      hardState: { term: 1, vote: "a", commit: 0 },
    },
  );
  network.nodes.set("b", behind);
  network.tick(defaultCoreOptions.electionTicks * 6, "b", "c");
  for (const id of ["b", "c"]) assert.is(network.core(id).status().leader, null, id);
});

it.run();
