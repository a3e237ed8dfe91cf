/** SWIM §4.2, with memberlist's order and signed incarnations. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type AccusationVerdict,
  judgeAccusation,
  recordIsNews,
} from "../../../../src/gossip/core/rules.ts";
import { Status } from "../../../../src/gossip/core/types.ts";

const it = suite("gossip/rules");

type Row = readonly [keyof typeof Status, "suspect" | "failed", number, AccusationVerdict];

/** Known status at incarnation 5; accusation; its incarnation; verdict. */
const table: readonly Row[] = [
  ["none", "suspect", 5, "ignore"],
  ["none", "failed", 9, "ignore"],
  ["alive", "suspect", 4, "ignore"],
  ["alive", "suspect", 5, "apply"],
  ["alive", "suspect", 6, "ahead"],
  ["alive", "failed", 4, "ignore"],
  ["alive", "failed", 5, "apply"],
  ["alive", "failed", 6, "ahead"],
  ["suspect", "suspect", 4, "ignore"],
  ["suspect", "suspect", 5, "confirm"],
  ["suspect", "suspect", 6, "ahead"],
  ["suspect", "failed", 5, "apply"],
  ["suspect", "failed", 6, "ahead"],
  ["failed", "suspect", 5, "ignore"],
  ["failed", "failed", 5, "ignore"],
  ["failed", "failed", 6, "ahead"],
  ["left", "suspect", 5, "ignore"],
  ["left", "failed", 5, "ignore"],
  ["left", "failed", 6, "ahead"],
];

for (const [status, kind, incarnation, verdict] of table) {
  it(`§4.2 ${status} at 5, then ${kind} at ${incarnation}: ${verdict}`, () => {
    const known = { status: Status[status], incarnation: 5 };
    assert.is(judgeAccusation(known, { kind, incarnation }), verdict);
  });
}

it("§4.2 a record is news only above the known incarnation, whatever the status", () => {
  for (const status of ["alive", "suspect", "failed", "left"] as const) {
    const known = { status: Status[status], incarnation: 5 };
    assert.is(recordIsNews(known, 4), false, status);
    assert.is(recordIsNews(known, 5), false, status);
    assert.is(recordIsNews(known, 6), true, status);
  }
  assert.is(recordIsNews({ status: Status.none, incarnation: 0 }, 0), true);
});

it.run();
