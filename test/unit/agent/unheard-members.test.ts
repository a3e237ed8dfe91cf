import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UnheardMembers } from "../../../src/agent/unheard-members.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { peer } from "../../support/inventory.ts";

const it = suite("members that gossip has not heard of");
const n1 = peer("n1");

/** How often this agent asks in so many seconds, looking every second. */
function asked(unheard: UnheardMembers, seconds: number, heard: number): number {
  let times = 0;
  for (let second = 0; second < seconds; second += 1) {
    if (unheard.isDue(n1, second * 1000, heard)) times += 1;
  }
  return times;
}

it("are asked at once, and every few seconds, by an agent that knows nobody else", () => {
  const unheard = new UnheardMembers(seededRandom(1));
  assert.ok(unheard.isDue(n1, 0, 0));
  const times = asked(unheard, 600, 0);
  assert.ok(times >= 40 && times <= 120, String(times));
});

it("have half the usual time at least when they are new", () => {
  const unheard = new UnheardMembers(seededRandom(1));
  unheard.admitted(n1, 0);
  assert.is(asked(unheard, 5, 0), 0);
});

it("are asked by a few of many, and each time later", () => {
  let first = 0;
  let later = 0;
  const members = 1000;
  for (let seed = 1; seed <= members; seed += 1) {
    const unheard = new UnheardMembers(seededRandom(seed));
    unheard.admitted(n1, 0);
    if (asked(unheard, 20, members - 1) > 0) first += 1;
    later += asked(unheard, 600, members - 1);
  }
  assert.ok(first >= 1 && first <= 20, `${first} asked soon`);
  assert.ok(later >= 4 && later <= 60, `${later} questions in the ten minutes after`);
});

it("are asked by all of a few", () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const unheard = new UnheardMembers(seededRandom(seed));
    unheard.admitted(n1, 0);
    assert.ok(asked(unheard, 16, 3) > 0);
  }
});

it("begin anew once they were heard of", () => {
  const unheard = new UnheardMembers(seededRandom(1));
  asked(unheard, 3000, 0);
  unheard.forget(n1);
  assert.ok(unheard.isDue(n1, 0, 0));
});

it.run();
