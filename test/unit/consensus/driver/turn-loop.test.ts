/** In which order a turn hands to the core what waits for it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Message } from "../../../../src/consensus/core/types.ts";
import { DriverMetrics } from "../../../../src/consensus/driver/metrics.ts";
import { TurnLoop, type TurnParts } from "../../../../src/consensus/driver/turn-loop.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const it = suite("consensus: turn loop");

const heartbeat: Message = {
  ...{ type: "Heartbeat", from: "b", to: "a", term: 1 },
  ...{ commit: 0, leaderLast: 0, round: 0 },
};

function orderOf(act: (loop: TurnLoop<null>) => void): string {
  const told: string[] = [];
  const turns: (() => void)[] = [];
  const nothing = { hasReady: () => false, queued: false, ready: false, flush: () => {} };
  const core = { ...nothing, step: () => told.push("heard"), tick: () => told.push("tick") };
  const parts = {
    ...{ core, proposals: nothing, barriers: nothing, applier: nothing, passive: false },
    ...{ clock: new VirtualClock(), metrics: new DriverMetrics() },
    scheduler: { soon: (task: () => void) => turns.push(task) },
  } as unknown as TurnParts<null>;
  const events = {
    ticked: () => {},
    ended: () => {},
    failed: (error: unknown) => told.push(String(error)),
  };
  const unused = { soft: () => {}, config: () => {}, read: () => {}, load: () => {} };
  const budget = { inboxBudgetMs: 4, applyBudgetMs: 8, commitNewsMs: 5 };
  act(new TurnLoop(parts, { ...events, ...unused }, budget));
  for (const turn of turns) turn();
  return told.join(" ");
}

it("hears what came in before it counts a late tick", () => {
  const order = orderOf((loop) => {
    loop.tick(1);
    loop.receive([heartbeat]);
  });
  assert.is(order, "heard tick");
});

it("counts the ticks of a calm time before what came in, which was after them", () => {
  const order = orderOf((loop) => {
    loop.tick(3);
    loop.receive([heartbeat]);
  });
  assert.is(order, "tick tick tick heard");
});

it.run();
