/** How an agent leaves a history that lost: the copy for people holds nothing up, neither the departure nor a stop. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentLogger } from "../../../../src/base/logger.ts";
import {
  depart,
  type DepartureDependencies,
} from "../../../../src/consensus/lineage-driver/departure.ts";
import { type HistoryKeeper } from "../../../../src/consensus/lineage/ports.ts";
import { bootstrapLineage } from "../../../../src/consensus/lineage/generation.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const it = suite("lineage driver: departure");

class Bench {
  readonly clock = new VirtualClock();
  readonly steps: string[] = [];
  readonly stopped = new AbortController();
  readonly departed: Promise<string>;
  copySignal: AbortSignal | null = null;

  constructor(keep: () => ReturnType<HistoryKeeper["keep"]>) {
    const { generations } = bootstrapLineage("c");
    const departure = { via: "b", generations, exportAfter: 5 };
    const at = (step: string): unknown => this.steps.push(step);
    const progress = { at, signal: this.stopped.signal };
    const dependencies = this.#dependencies((_, signal) => {
      this.copySignal = signal;
      return keep();
    });
    this.departed = depart(departure, dependencies, progress).then(
      () => "departed",
      () => "rejected",
    );
  }

  #dependencies(keep: HistoryKeeper["keep"]): DepartureDependencies {
    const { clock, steps } = this;
    const lineage = bootstrapLineage("c");
    const effective = { sets: [["a", "b"]], standbys: [], observers: [] };
    const engine = {
      lineage: () => lineage,
      status: () => ({ effective, last: 9 }),
      freeze: () => Promise.resolve(),
      enter: ({ kind }: { readonly kind: string }) => {
        steps.push(kind);
        return Promise.resolve();
      },
    } as unknown as DepartureDependencies["engine"];
    const commit = { index: 9, term: 2 };
    return {
      ...{ self: "a", engine, clock, logger: silentLogger, archive: { keep } },
      peers: {
        merge: () => Promise.resolve(),
        demote: () => Promise.resolve({ generations: lineage.generations, commit }),
      },
      policy: { pages: () => [new Uint8Array(1)] },
      exclusively: (change) => change(),
    };
  }
}

it("waits for the copy, and starts over", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const bench = new Bench(() => promise);
  await bench.clock.advance(20_000);
  assert.equal(bench.steps, ["exporting"]);
  resolve();
  assert.is(await bench.departed, "departed");
  assert.equal(bench.steps, ["exporting", "resync", "reset"]);
  assert.is(bench.copySignal?.aborted, false);
});

it("goes on without a copy that a hung disk never ends", async () => {
  const bench = new Bench(() => Promise.withResolvers<void>().promise);
  await bench.clock.until("it starts over", () => bench.steps.includes("reset"));
  assert.is(await bench.departed, "departed");
  assert.ok(bench.clock.monotonicMs() >= 30_000, "it had its time");
  assert.is(bench.copySignal?.aborted, true, "and is told that it is over");
});

it("stops at once amidst a copy", async () => {
  const bench = new Bench(() => Promise.withResolvers<void>().promise);
  await bench.clock.advance(1000);
  bench.stopped.abort();
  assert.is(await bench.departed, "rejected");
  assert.equal(bench.steps, ["exporting"]);
  assert.is(bench.copySignal?.aborted, true);
});

it.run();
