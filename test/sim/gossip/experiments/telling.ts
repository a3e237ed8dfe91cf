/** What agents tell all others: user events in S16, and a new address without a restart in S13. */
import { seededRandom } from "../../../../src/base/random.ts";
import { transmitLimit } from "../../../../src/gossip/core/suspicion.ts";
import { Simulation } from "../simulation.ts";

export interface TellingOutcome {
  /** Pairs of a node that was up all the time and an event that it never heard. */
  readonly missed: number;
  /** Deliveries beyond the first. */
  readonly repeated: number;
  /** The most often that one node sent one event; above the limit of rumours, something goes round. */
  readonly mostSent: number;
  readonly limit: number;
  /** Old events that one who joined at the end was told. */
  readonly toldToNewcomer: number;
}

/** Many origins tell events, while frames get lost and a third of the nodes is cut off for a while. */
export function telling(options: {
  readonly nodes: number;
  readonly seed: number;
  readonly loss: number;
}): TellingOutcome {
  const { nodes, seed, loss } = options;
  const sim = new Simulation({ nodes: nodes + 1, seed, network: { loss }, warm: false });
  const newcomer = sim.node(nodes);
  for (const node of sim.nodes) if (node !== newcomer) node.start();
  for (let ix = 1; ix < nodes; ix += 1) sim.node(ix).post({ kind: "contact", peers: [0] });
  sim.runUntil(15_000);
  const random = seededRandom(seed + 7);
  const sent = new Map<string, number>();
  sim.onFrameFrom = (from, frame) => {
    for (const message of frame) {
      if (message.kind !== "event") continue;
      const key = `${from} ${message.event.body.name}`;
      sent.set(key, (sent.get(key) ?? 0) + 1);
    }
  };
  const events = 20;
  for (let event = 0; event < events; event += 1) {
    const origin = sim.node(random.below(nodes));
    const payload = new Uint8Array(random.below(300));
    sim.after(500 * event, () => origin.post({ kind: "tell", name: `event-${event}`, payload }));
  }
  sim.after(2000, () => sim.network.partition((ix) => Number(ix % 3 === 0)));
  sim.after(7000, () => sim.network.partition(null));
  sim.runUntil(120_000);
  newcomer.start();
  newcomer.post({ kind: "contact", peers: [1] });
  sim.runUntil(150_000);
  const heard = sim.nodes.slice(0, nodes).map((node) => node.heard.map(({ name }) => name));
  return {
    missed: heard.reduce((sum, names) => sum + events - new Set(names).size, 0),
    repeated: heard.reduce((sum, names) => sum + names.length - new Set(names).size, 0),
    mostSent: Math.max(...sent.values()),
    limit: transmitLimit(sim.protocol.retransmitMult, nodes + 1),
    toldToNewcomer: newcomer.heard.length,
  };
}

/** An agent's address changes while it runs: how long until everybody has the new one, in ms. */
export function moving(nodes: number, seed: number): number {
  const sim = new Simulation({ nodes, seed });
  sim.runUntil(5000);
  const address = "10.8.8.8:7946";
  sim.node(1).post({ kind: "describe", change: { address } });
  const known = (): boolean =>
    sim.up.every(({ core }) => core.table.record(1)?.body.address === address);
  while (!known() && sim.now < 60_000) sim.runUntil(sim.now + 20);
  return known() ? sim.now - 5000 : Infinity;
}
