/** What an agent keeps of the user events it heard: the last ones, counted without a gap, its own at once. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isAgentError } from "../../../../src/base/errors.ts";
import { asPeerId } from "../../../../src/base/ids.ts";
import { EventRing, heardMax } from "../../../../src/gossip/driver/event-ring.ts";
import { type UserEvent } from "../../../../src/gossip/ports.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const it = suite("gossip/event-ring");
const self = asPeerId("self");
const encoder = new TextEncoder();

function bench() {
  const clock = new VirtualClock();
  let hear: (event: UserEvent) => void = () => undefined;
  const told: string[] = [];
  const gossip = {
    userEvent: (name: string) => void told.push(name),
    onUserEvent: (listener: typeof hear) => {
      hear = listener;
      return () => undefined;
    },
  };
  const ring = new EventRing({ self, gossip, clock });
  const arrive = (name: string, origin = "other", payload = ""): void =>
    hear({ name, payload: encoder.encode(payload), origin: asPeerId(origin), ltime: 7 });
  return { clock, ring, told, arrive };
}

const names = (events: readonly UserEvent[]): string[] => events.map(({ name }) => name);

it("keeps the last ones, and gives those after any of them", () => {
  const { ring, arrive } = bench();
  assert.equal([ring.first, ring.after(0)], [1, []]);
  for (let n = 1; n <= heardMax + 3; n += 1) arrive(`e${n}`);
  assert.is(ring.first, 4);
  assert.is(ring.after(0).length, heardMax);
  assert.is(ring.after(0)[0]?.name, "e4");
  assert.equal(names(ring.after(heardMax + 1)), [`e${heardMax + 2}`, `e${heardMax + 3}`]);
  assert.equal(ring.after(heardMax + 3), []);
});

it("resolves with its own event, and with nobody else's that reads the same", async () => {
  const { ring, told, arrive } = bench();
  const telling = ring.tell("deploy", encoder.encode("42"));
  assert.equal(told, ["deploy"]);
  arrive("deploy", "other", "42");
  arrive("deploy", "self", "43");
  arrive("deploy", "self", "42");
  assert.is((await telling).seq, 3);
});

it("says so when an event that was handed over never came back", async () => {
  const { clock, ring } = bench();
  const telling = ring.tell("deploy", new Uint8Array(0));
  const failed = telling.catch((error: unknown) => error);
  await clock.advance(2000);
  assert.ok(isAgentError(await failed, "GOSSIP_EVENT_REFUSED"));
});

it.run();
