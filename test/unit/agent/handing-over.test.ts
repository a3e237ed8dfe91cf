import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isAgentError } from "../../../src/base/errors.ts";
import { simpleConfiguration } from "../../../src/consensus/core/configuration.ts";
import { type PeerProgress } from "../../../src/consensus/core/types.ts";
import { type ConsensusStatus } from "../../../src/consensus/driver/api.ts";
import { encodeEnvelope } from "../../../src/inventory/codec.ts";
import { type Command, type CommandResult } from "../../../src/inventory/commands.ts";
import { handingOver } from "../../../src/agent/handing-over.ts";
import { cluster, peer } from "../../support/inventory.ts";

const it = suite("agent: handing over");

const forget = (node: string, force = true): Command => ({ type: "node.forget", node, force });

/** The agent of n1, which leads unless told otherwise. */
function leader(
  options: {
    readonly successor?: boolean;
    readonly nodes?: readonly string[];
    readonly voters?: readonly string[];
    readonly silent?: readonly string[];
  } = {},
) {
  const inventory = cluster(...(options.nodes ?? ["n1", "n2"]));
  const did: string[] = [];
  let role: ConsensusStatus["role"] = "leader";
  const progress = (name: string): PeerProgress => ({
    ...{ match: 1, next: 2, state: "replicate", inflight: 0, caughtUp: true },
    ticksSinceAck: options.silent?.includes(name) === true ? 80 : 1,
  });
  const propose = handingOver(
    { self: peer("n1"), view: inventory.view },
    {
      tickMs: 50,
      status: () => ({
        role,
        leader: role === "leader" ? peer("n1") : peer("n2"),
        effective: simpleConfiguration((options.voters ?? ["n1", "n2"]).map(peer)),
        peers: new Map((options.voters ?? []).map((name) => [peer(name), progress(name)])),
      }),
      transferLeadership: () => {
        did.push("transfer");
        if (options.successor === false) return Promise.resolve(false);
        role = "follower";
        return Promise.resolve(true);
      },
      propose: () => {
        did.push("propose");
        const result: CommandResult = { ok: true, index: 1, value: null };
        return Promise.resolve({ index: 1, term: 1, result });
      },
    },
  );
  const send = async (command: Command): Promise<string> => {
    const envelope = { v: 1, at: 1, by: "operator", origin: null, idempotency: null, command };
    try {
      await propose(encodeEnvelope(envelope));
      return "proposed";
    } catch (error) {
      return isAgentError(error) ? `${error.code} ${String(error.details["leader"] ?? "")}` : "?";
    }
  };
  return { send, did };
}

it("leaves the eviction of the leader itself to the next leader", async () => {
  const { send, did } = leader();
  assert.is(await send(forget("n1")), `NOT_LEADER ${peer("n2")}`);
  assert.equal(did, ["transfer"]);
});

it("refuses the eviction of a leader that nobody can follow", async () => {
  const { send, did } = leader({ successor: false });
  assert.is(await send(forget("n1")), "CONFLICT ");
  assert.equal(did, ["transfer"]);
});

it("refuses to evict a voter whose vote is needed while another is silent", async () => {
  const three = ["n1", "n2", "n3"];
  const { send, did } = leader({ nodes: three, voters: three, silent: ["n3"] });
  assert.is(await send(forget("n2")), "CONFLICT ");
  assert.equal(did, []);
  assert.is(await send(forget("n3")), "proposed", "the silent one itself may go");
  const healthy = leader({ nodes: three, voters: three });
  assert.is(await healthy.send(forget("n2")), "proposed");
  const demoted = leader({ nodes: three, voters: ["n1", "n2"], silent: ["n3"] });
  assert.is(await demoted.send(forget("n2")), "proposed", "what is no voter any more is no reason");
});

it("proposes everything else at once, and what the inventory will refuse", async () => {
  const { send, did } = leader();
  assert.is(await send(forget("n2")), "proposed");
  assert.is(await send(forget("n1", false)), "proposed");
  assert.is(await send(forget("nobody")), "proposed");
  assert.is(await send({ type: "config.refresh" }), "proposed");
  assert.not(did.includes("transfer"));
});

it("lets the inventory answer for the last member", async () => {
  const { send, did } = leader({ nodes: ["n1"] });
  assert.is(await send(forget("n1")), "proposed");
  assert.equal(did, ["propose"]);
});

it.run();
