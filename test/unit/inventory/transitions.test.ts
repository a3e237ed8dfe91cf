import { suite } from "uvu";
import * as assert from "uvu/assert";
import { jobActions, phases } from "../../../src/inventory/records.ts";
import {
  canBegin,
  canEnd,
  illegalBegin,
  isPassing,
  legalActions,
  legalMoves,
  passingPhase,
  passingPhases,
} from "../../../src/inventory/transitions.ts";

const it = suite("lifecycle of a node");

const legal: Readonly<Record<(typeof phases)[number], string>> = {
  discovered: "commission cleanup",
  commissioning: "",
  commissioned: "decommission upgrade verify cleanup",
  upgrading: "",
  decommissioning: "",
  decommissioned: "commission cleanup",
  failed: "commission decommission verify cleanup",
};

const next: Readonly<Record<(typeof phases)[number], string>> = {
  discovered: "commissioning",
  commissioning: "commissioned failed",
  commissioned: "discovered upgrading decommissioning failed",
  upgrading: "commissioned failed",
  decommissioning: "decommissioned failed",
  decommissioned: "commissioning",
  failed: "discovered commissioning decommissioning",
};

for (const phase of phases) {
  it(`lets begin on a ${phase} node: ${legal[phase] || "nothing"}`, () => {
    assert.equal([...legalActions(phase)].sort(), legal[phase].split(" ").filter(Boolean).sort());
  });
  it(`moves a ${phase} node to: ${next[phase]}`, () => {
    assert.equal(legalMoves(phase), next[phase].split(" "));
  });
}

it("lets force decommission a node that was never configured, and nothing else beyond the table", () => {
  for (const action of jobActions) {
    for (const phase of phases) {
      const isMore = canBegin(action, phase, true) && !canBegin(action, phase);
      assert.is(isMore, action === "decommission" && phase === "discovered", `${action} ${phase}`);
    }
  }
});

it("moves a failed node to discovered by an operator's cleanup, and by nothing else", () => {
  const ways = jobActions.filter((action) => canEnd(action, "failed", "discovered"));
  assert.equal(ways, ["cleanup"]);
});

it("never lets work end in a passing phase", () => {
  for (const action of jobActions) {
    for (const from of phases) {
      for (const to of passingPhases) {
        assert.is(canEnd(action, from, to), false, `${action}: ${from} -> ${to}`);
      }
    }
  }
});

it("gives every passing phase to one action", () => {
  const passing = jobActions.map(passingPhase).filter((phase) => phase !== null);
  assert.equal([...passing].sort(), [...passingPhases].sort());
  assert.equal(phases.filter(isPassing), passingPhases);
});

it("leaves the phase alone when a job has none of its own", () => {
  assert.is(passingPhase("verify"), null);
  assert.ok(canEnd("verify", "commissioned", "commissioned"));
  assert.not.ok(canEnd("verify", "commissioned", "failed"));
  assert.ok(canEnd("cleanup", "failed", "failed"), "a clean-up that failed again");
});

it("names what is legal in a refusal", () => {
  assert.is(
    illegalBegin("upgrade", "n1", "failed"),
    'Cannot upgrade node "n1": it is failed; legal: commission, decommission, verify, cleanup',
  );
  assert.match(illegalBegin("verify", "n1", "upgrading"), /wait for the job that holds it/);
  assert.ok(canBegin("commission", "decommissioned"));
});

it.run();
