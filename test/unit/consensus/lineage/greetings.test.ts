/** In a large cluster an agent greets few while all is well, and everybody when no quorum is in sight. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { type NodeId } from "../../../../src/consensus/core/types.ts";
import { type LocalFacts } from "../../../../src/consensus/lineage/coordinator-types.ts";
import { defaultTimings } from "../../../../src/consensus/lineage/coordinator-timings.ts";
import { bootstrapLineage } from "../../../../src/consensus/lineage/generation.ts";
import { Greetings } from "../../../../src/consensus/lineage/greetings.ts";
import { PeerViews } from "../../../../src/consensus/lineage/peer-views.ts";

const it = suite("lineage: greetings");
const voters = ["v1", "v2", "v3"];
const crowd = Array.from({ length: 100 }, (_, n) => `o${n}`);

function factsOf(change: Partial<LocalFacts> = {}): LocalFacts {
  return {
    lineage: bootstrapLineage("c"),
    ...{ leader: "v1", term: 2, lastTerm: 2, lastIndex: 9, commit: 9, leaderLast: 9 },
    configuration: { ...simpleConfiguration(voters), standbys: ["s"], lost: ["gone"] },
    chainAt: () => null,
    admitted: [...voters, "s", "gone", ...crowd],
    neighbours: ["o1", "o2", "v3"],
    heardMs: new Map(),
    ...{ storageOk: true, hasCarrier: true, upMs: 60_000, slowness: 1 },
    settings: {
      ...{ policy: "silence", timers: { silenceMs: 30_000, coldMs: 120_000 } },
      ...{ hold: false, fence: false },
    },
    ...change,
  };
}

class Greeter {
  readonly greetings: Greetings;
  readonly #peers: PeerViews;

  constructor(self: NodeId) {
    this.#peers = new PeerViews(self);
    this.greetings = new Greetings({ self, timings: defaultTimings }, this.#peers);
  }

  /** Whom it greets from `from` to `to`, ms, as often as it does. */
  calm(from: number, to: number, facts: LocalFacts): readonly NodeId[] {
    const greeted: NodeId[] = [];
    for (let now = from; now < to; now += 250) {
      for (const effect of this.greetings.calm(now, facts)) {
        assert.is(effect.kind, "hello");
        if (effect.kind === "hello") greeted.push(effect.to);
      }
    }
    return greeted.sort();
  }
}

it("a member with a place greets all others that have one or had one, and its neighbours", () => {
  const heardMs = new Map(voters.map((id) => [id, 0]));
  const greeted = new Greeter("v1").calm(0, 10_000, factsOf({ heardMs }));
  assert.equal(greeted, ["gone", "o1", "o2", "s", "v2", "v3"]);
});

it("a member without a place greets its neighbours, and until they answer those with a place", () => {
  const greeter = new Greeter("o7");
  assert.equal(greeter.calm(0, 10_000, factsOf()), ["o1", "o2", "s", "v1", "v2", "v3"]);
  const heardMs = new Map(["v1", "v2", "s"].map((id) => [id, 0]));
  assert.equal(greeter.calm(10_000, 20_000, factsOf({ heardMs })), ["o1", "o2", "v3"]);
});

it("a member that gets a place is not met by all others in the same moment", () => {
  const heardMs = new Map([...voters, "s"].map((id) => [id, 0]));
  const configuration = { ...simpleConfiguration(voters), standbys: ["s", "o0"] };
  const after = factsOf({ heardMs, configuration });
  const greeters = crowd.slice(10).map((self) => new Greeter(self));
  for (const one of greeters) one.calm(0, 1000, factsOf({ heardMs }));
  const met = new Set<Greeter>();
  const perSecond = Array.from({ length: 11 }, (_, second) => {
    const [from, to] = [1000 * (second + 1), 1000 * (second + 2)];
    const greeting = greeters.filter((one) => one.calm(from, to, after).includes("o0"));
    for (const one of greeting) met.add(one);
    return greeting.length;
  });
  assert.is(met.size, greeters.length);
  assert.ok(Math.max(...perSecond) <= greeters.length / 3, perSecond.join());
});

it("greets somebody every two seconds at most while it has a leader, four in a second without one", () => {
  const neighbours = crowd.slice(0, 20);
  const heardMs = new Map(["s", ...voters].map((id) => [id, 0]));
  const counts = ["v1", null].map((leader) => {
    const greeter = new Greeter("o50");
    const facts = factsOf({ neighbours, heardMs, leader });
    greeter.calm(0, 40_000, facts);
    return greeter.calm(40_000, 80_000, facts).length;
  });
  assert.equal(counts, [20, 160]);
});

it("spreads greetings over the period, though all are due in one moment", () => {
  const facts = factsOf({ neighbours: crowd.slice(0, 20) });
  const greeter = new Greeter("o50");
  const perTick = Array.from({ length: 160 }, (_, n) => greeter.calm(250 * n, 250 * n + 1, facts));
  assert.ok(Math.max(...perTick.map(({ length }) => length)) <= 2 + voters.length + 1);
  const neighbours = perTick.map((some) => some.filter((id) => id.startsWith("o")).length);
  assert.is(Math.max(...neighbours), 2);
  assert.equal(new Set(perTick.flat()).size, 24, "and leaves nobody out");
});

it("greets its neighbours as often in a large cluster", () => {
  const admitted = Array.from({ length: 2000 }, (_, n) => `o${n}`);
  const heardMs = new Map(["s", ...voters].map((id) => [id, 0]));
  const greeted = new Greeter("o7").calm(0, 20_000, factsOf({ admitted, heardMs }));
  assert.equal(greeted, ["o1", "o1", "o2", "o2", "v3", "v3"]);
});

it("without a quorum everybody who is asked is greeted, if not for a while", () => {
  const facts = factsOf({ leader: null });
  const { greetings } = new Greeter("o7");
  const greeted = (asked: readonly NodeId[], now: number): readonly unknown[] =>
    greetings.anxious(asked, now, facts);
  assert.is(greeted(crowd, 0).length, crowd.length);
  assert.equal(greeted(["o1", "v1"], 8_000), [{ kind: "hello", to: "v1" }]);
  assert.is(greeted(["o1", "v1"], 9_000).length, 1);
});

it("those that the leader waits for are greeted a few at a time, each once in a period", () => {
  const { greetings } = new Greeter("v1");
  const facts = factsOf();
  const greeted: NodeId[] = [];
  for (let now = 0; now < 9_000; now += 100) {
    const effects = greetings.awaited(crowd, now, facts);
    assert.ok(effects.length <= 5);
    for (const effect of effects) if (effect.kind === "hello") greeted.push(effect.to);
  }
  assert.equal(greeted.sort(), [...crowd].sort());
});

it.run();
