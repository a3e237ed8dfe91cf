/** An operator's plan is about who answers now; those who do not are waited for once. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentLogger } from "../../../../src/base/logger.ts";
import { Slowness } from "../../../../src/base/slowness.ts";
import { seededRandom } from "../../../../src/base/random.ts";
import { simpleConfiguration } from "../../../../src/consensus/core/configuration.ts";
import { type NodeId } from "../../../../src/consensus/core/types.ts";
import {
  LineageDriver,
  type LineageDriverDependencies,
} from "../../../../src/consensus/lineage-driver/driver.ts";
import { defaultTimings } from "../../../../src/consensus/lineage/coordinator-timings.ts";
import { bootstrapLineage } from "../../../../src/consensus/lineage/generation.ts";
import { type Survey } from "../../../../src/consensus/lineage/types.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const it = suite("lineage driver: survey of all");
const admitted = ["a", "b", "c", "gone"];

it("asks everybody, and those that answer once more, as they must know that they were heard", async () => {
  const asked: NodeId[] = [];
  const effective = simpleConfiguration(admitted);
  const status = {
    ...{ term: 2, lastTerm: 2, last: 0, commit: 0, leaderLast: 0, engine: "running" },
    ...{ leader: null, relayed: false, quorumLost: true, leaderContactMs: null },
    ...{ effective, health: "ok" },
  };
  const engine = {
    status: () => status,
    lineage: () => bootstrapLineage("c"),
    chainAt: () => Promise.resolve(null),
  };
  const peers = {
    survey: (to: NodeId, survey: Survey): Promise<Survey> => {
      asked.push(to);
      if (to === "gone") return Promise.reject(new Error("no answer"));
      return Promise.resolve({ ...survey, from: to });
    },
  };
  const surroundings = {
    ...{ admitted, neighbours: [], heardMs: new Map(), storageOk: true, hasCarrier: true },
    ...{ upMs: 1, holdIsOver: true, settings: {} },
  };
  const driver = new LineageDriver({ self: "a", clusterId: "c", timings: defaultTimings }, {
    ...{ engine, peers, surroundings: () => surroundings },
    ...{ clock: new VirtualClock(), random: seededRandom(1), logger: silentLogger },
    slowness: new Slowness(),
  } as unknown as LineageDriverDependencies);
  await driver.surveyAll();
  assert.equal(asked, ["b", "c", "gone", "b", "c"]);
});

it.run();
