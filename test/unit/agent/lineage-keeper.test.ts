/** When a forced generation is settled: by then everybody who was left behind is in it, with a place or without. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LineageKeeper } from "../../../src/agent/lineage-keeper.ts";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { simpleConfiguration } from "../../../src/consensus/core/configuration.ts";
import { type ConsensusStatus } from "../../../src/consensus/driver/api.ts";
import { bootstrapGeneration } from "../../../src/consensus/lineage/generation.ts";
import { type Generation } from "../../../src/consensus/lineage/types.ts";
import { type InventoryView } from "../../../src/inventory/view.ts";
import { until } from "../../support/until.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("lineage-keeper");
const root = bootstrapGeneration("c");
const child: Generation = {
  ...{ ...root, n: 2, id: "ab".repeat(16), parent: root.id, kind: "forced-auto" },
  ...{ members: ["a"], lost: ["b", "o"] },
};

class Bench {
  readonly here = new Set<string>();
  readonly caughtUp = { caughtUp: false };
  readonly settled = new Set<string>();
  readonly submitted: string[] = [];
  path: readonly Generation[] = [root, child];
  admitted = ["a", "b", "o"];
  /** Given up before the fork. */
  lost: readonly string[] = [];
  awaited: readonly string[] = [];
  isRefused = false;
  refusals = 0;
  warnings = 0;
  readonly #clock: Clock;
  #looks = 0;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  keeper(): LineageKeeper {
    const log = { salvaged: null, trusted: true };
    const status = () => ({
      ...{ role: "leader", quorumLost: false, engine: "running", health: "ok", log },
      effective: { ...simpleConfiguration(["a"]), standbys: ["b"], lost: this.lost },
      peers: new Map([["b", this.caughtUp]]),
    });
    return new LineageKeeper({
      node: {
        status: () => status() as unknown as ConsensusStatus,
        lineage: () => ({ generations: this.path, promise: null, voteFrom: null }),
        onChange: () => () => undefined,
      },
      view: {
        generation: (id: string) => ({ settledAt: this.settled.has(id) ? 1 : null }),
        generations: () => [],
        history: () => [],
        merges: () => [],
        members: () => {
          this.#looks += 1;
          return this.admitted.map((id) => ({ id, node: id, status: "admitted" }));
        },
      } as unknown as InventoryView,
      evidence: new Map(),
      isWithUs: (peer) => this.here.has(peer),
      await: (peers) => void (this.awaited = peers),
      submit: (command) => {
        if (this.isRefused) {
          this.refusals += 1;
          const refusal = { code: "INVALID", message: "no", details: {} } as const;
          return Promise.resolve({ ok: false, index: 1, ...refusal });
        }
        if (command.type === "generation.settled") this.settled.add(command.id);
        this.submitted.push(command.type);
        return Promise.resolve({ ok: true, index: 1, value: null });
      },
      clock: this.#clock,
      logger: {
        ...silentLogger,
        warn: () => {
          this.warnings += 1;
        },
      },
    });
  }

  async looksAgain(): Promise<void> {
    const before = this.#looks;
    await until({ what: "it looks again" }, () => this.#looks >= before + 4);
  }

  isSettled(id: string): Promise<unknown> {
    return until({ what: "it is settled" }, () => this.settled.has(id));
  }
}

function withKeeper(act: (bench: Bench) => Promise<void>): () => Promise<void> {
  return async () => {
    const bench = new Bench();
    const keeper = bench.keeper();
    await keeper.start();
    try {
      await act(bench);
    } finally {
      await keeper.stop();
    }
  };
}

it(
  "waits for those with a place to catch up, and for the others to say that they are back",
  withKeeper(async (bench) => {
    const { here, caughtUp, submitted } = bench;
    await bench.looksAgain();
    here.add("o").add("b");
    await bench.looksAgain();
    assert.equal(submitted, [], "b has a place and lags");
    here.delete("o");
    caughtUp.caughtUp = true;
    await bench.looksAgain();
    assert.equal(submitted, [], "nobody knows where o is");
    assert.equal(bench.awaited, ["o"], "it is asked; the other's log tells");
    here.add("o");
    await bench.isSettled(child.id);
  }),
);

it(
  "waits for members that had no place in the log either, but not for those given up before",
  withKeeper(async (bench) => {
    bench.admitted = ["a", "b", "o", "observer", "given-up"];
    bench.lost = ["given-up"];
    bench.caughtUp.caughtUp = true;
    bench.here.add("o");
    await bench.looksAgain();
    assert.equal(bench.submitted, [], "the observer may go on elsewhere");
    bench.here.add("observer");
    await bench.isSettled(child.id);
  }),
);

it(
  "settles what an earlier generation left open, though the latest left nobody behind",
  withKeeper(async (bench) => {
    const proven = { ...child, n: 3, id: "cd".repeat(16), parent: child.id, lost: [] };
    bench.path = [root, child, { ...proven, kind: "forced-proof", members: ["a", "b", "o"] }];
    bench.caughtUp.caughtUp = true;
    await bench.looksAgain();
    assert.equal(bench.submitted, []);
    bench.here.add("o");
    await bench.isSettled(child.id);
    assert.equal([...bench.settled], [child.id], "the proven one was never open");
  }),
);

it("takes no refusal for done, says it once, and asks again after a while", async () => {
  const clock = new VirtualClock();
  const bench = new Bench(clock);
  const keeper = bench.keeper();
  await keeper.start();
  bench.isRefused = true;
  bench.caughtUp.caughtUp = true;
  bench.here.add("o");
  await clock.advance(30_000);
  assert.is(bench.warnings, 1);
  assert.ok(bench.refusals >= 2 && bench.refusals <= 4, `${bench.refusals} entries`);
  bench.isRefused = false;
  await clock.advance(15_000);
  assert.ok(bench.settled.has(child.id));
  await keeper.stop();
});

it.run();
