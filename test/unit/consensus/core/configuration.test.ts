import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ConfigHistory } from "../../../../src/consensus/core/config-history.ts";
import {
  decodeConfiguration,
  encodeConfiguration,
} from "../../../../src/consensus/core/config-codec.ts";
import { planChange } from "../../../../src/consensus/core/config-change.ts";
import {
  configurationFault,
  emptyConfiguration,
  isVoter,
  replicationTargets,
  roleOf,
  simpleConfiguration,
} from "../../../../src/consensus/core/configuration.ts";
import { type ConfigChange, type Configuration } from "../../../../src/consensus/core/types.ts";

const it = suite("consensus: configuration");
const abc = simpleConfiguration(["a", "b", "c"], ["s"]);

function after(from: Configuration, ...changes: readonly ConfigChange[]): Configuration {
  return changes.reduce((configuration, change) => {
    const plan = planChange(configuration, change);
    assert.ok(plan.ok, plan.ok ? "" : plan.detail);
    return plan.next;
  }, from);
}

it("a single change gives one node one role", () => {
  const c = after(
    abc,
    { op: "promote", node: "s" },
    { op: "demote", node: "a" },
    { op: "lose", node: "b" },
    { op: "addObserver", node: "o" },
    { op: "addStandby", node: "t" },
  );
  assert.equal(
    ["a", "b", "c", "s", "o", "t"].map((id) => roleOf(c, id)),
    ["standby", "lost", "voter", "voter", "observer", "standby"],
  );
  assert.equal([...replicationTargets(c)].sort(), ["a", "c", "s", "t"], "observers pull");
});

it("the lost can come back as standbys, and the removed are forgotten", () => {
  const c = after(abc, { op: "lose", node: "a" }, { op: "addStandby", node: "a" });
  assert.is(roleOf(c, "a"), "standby");
  assert.is(roleOf(after(c, { op: "remove", node: "a" }), "a"), null);
});

it("a swap votes in both sets until it is left; then the old voter stands by", () => {
  const joint = after(abc, { op: "swap", out: "a", in: "s" });
  assert.equal(joint.sets, [
    ["b", "c", "s"],
    ["a", "b", "c"],
  ]);
  assert.equal(joint.standbysNext, ["a"]);
  assert.is(joint.autoLeave, true);
  const left = after(joint, { op: "leaveJoint" });
  assert.equal(left.sets, [["b", "c", "s"]]);
  assert.equal(left.standbys, ["a"]);
  assert.is(isVoter(left, "a"), false);
});

it("changes that make no sense are refused with the reason", () => {
  const cases: readonly [ConfigChange, RegExp][] = [
    [{ op: "promote", node: "x" }, /cannot promote "x", which is no member/],
    [{ op: "promote", node: "a" }, /which is voter/],
    [{ op: "demote", node: "s" }, /which is standby/],
    [{ op: "addStandby", node: "a" }, /which is voter/],
    [{ op: "remove", node: "x" }, /no member/],
    [{ op: "swap", out: "s", in: "s" }, /"s" is no voter/],
    [{ op: "swap", out: "a", in: "b" }, /"b" is no standby/],
    [{ op: "leaveJoint" }, /non-joint/],
  ];
  for (const [change, reason] of cases) {
    const plan = planChange(abc, change);
    assert.ok(!plan.ok);
    assert.match(plan.detail, reason);
  }
});

it("the last voter stays", () => {
  for (const op of ["demote", "lose", "remove"] as const) {
    const plan = planChange(simpleConfiguration(["a"], ["s"]), { op, node: "a" });
    assert.equal(plan, { ok: false, detail: "removed all voters" });
  }
});

it("any sequence of changes keeps the structure sound, and its encoding gives it back", () => {
  const id = fc.constantFrom("a", "b", "c", "s", "x", "y");
  const single = fc.record({
    op: fc.constantFrom("promote", "demote", "lose", "addStandby", "addObserver", "remove"),
    node: id,
  }) as fc.Arbitrary<ConfigChange>;
  const swap = fc.record({
    op: fc.constant("swap"),
    out: id,
    in: id,
  }) as fc.Arbitrary<ConfigChange>;
  const leave = fc.constant<ConfigChange>({ op: "leaveJoint" });
  fc.assert(
    fc.property(fc.array(fc.oneof(single, swap, leave), { maxLength: 40 }), (changes) => {
      let configuration = abc;
      for (const change of changes) {
        const plan = planChange(configuration, change);
        if (!plan.ok) continue;
        const before = new Set(configuration.sets[0]);
        configuration = plan.next;
        assert.is(configurationFault(configuration), null);
        const voters = new Set(configuration.sets[0]);
        const changed = [...before].filter((v) => !voters.has(v)).length;
        assert.ok(changed <= 1 || change.op === "swap", "one voter per step");
        assert.equal(decodeConfiguration(encodeConfiguration(configuration), 0), configuration);
      }
    }),
    { numRuns: 300 },
  );
});

it("decoding is strict", () => {
  const good = JSON.parse(new TextDecoder().decode(encodeConfiguration(abc))) as object;
  const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  assert.equal(decodeConfiguration(bytes(good), 7), { ...abc, index: 7 });
  const bad: readonly unknown[] = [
    null,
    [],
    "text",
    {},
    { ...good, v: 2 },
    { ...good, extra: 1 },
    { ...good, sets: "a" },
    { ...good, sets: [["a"], ["b"], ["c"]] },
    { ...good, sets: [["a", "a"]] },
    { ...good, sets: [[1]] },
    { ...good, sets: [[""]] },
    { ...good, sets: [["x".repeat(200)]] },
    { ...good, standbys: ["a"] },
    { ...good, standbysNext: ["z"] },
    { ...good, autoLeave: 1 },
    { ...good, autoLeave: true },
    { ...good, lost: undefined },
    { ...good, observers: Array.from({ length: 10_001 }, (_, i) => `n${i}`) },
  ];
  for (const value of bad) {
    assert.is(decodeConfiguration(bytes(value), 1), null, JSON.stringify(value).slice(0, 80));
  }
  assert.is(decodeConfiguration(new Uint8Array([0xff, 0xfe]), 1), null, "not UTF-8");
  assert.is(decodeConfiguration(new Uint8Array((1 << 20) + 1), 1), null, "too long");
  assert.is(decodeConfiguration(bytes(good), -1), null);
  assert.is(decodeConfiguration(bytes(good), 1.5), null);
});

it("arbitrary bytes never throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
      assert.is(decodeConfiguration(data, 1), null);
    }),
  );
});

it("the newest configuration is in force, and truncation brings the one before back (C4)", () => {
  const history = new ConfigHistory([abc]);
  history.append({ ...abc, index: 5 });
  history.append({ ...abc, index: 9 });
  assert.equal([history.effective.index, history.committed(6).index], [9, 5]);
  history.truncateFrom(7);
  assert.is(history.effective.index, 5);
  history.compactTo(8);
  assert.equal(
    history.all.map(({ index }) => index),
    [5],
  );
});

it("an agent that has not joined has an empty configuration, in which nobody votes", () => {
  assert.is(configurationFault(emptyConfiguration), null);
  assert.is(isVoter(emptyConfiguration, "a"), false);
  assert.equal(replicationTargets(emptyConfiguration), []);
});

it.run();
