/** Requests between the members of a cluster in memory, as the relay makes them: a millisecond each way, loss by links. */
import { abortReason } from "../../src/base/clock.ts";
import { type Index, type NodeId } from "../../src/consensus/core/types.ts";
import { type MeasuredConsensusNode } from "../../src/consensus/driver/driver.ts";
import { type Relay } from "../../src/consensus/driver/relay.ts";
import { type PullOptions, type RelayPeers } from "../../src/consensus/driver/relay-types.ts";
import { type VirtualClock } from "./virtual-clock.ts";

interface Member {
  readonly consensus: MeasuredConsensusNode<string>;
  readonly relay: Relay | null;
}

export interface RelayNetwork {
  readonly clock: VirtualClock;
  readonly nodes: ReadonlyMap<NodeId, Member>;
  readonly lets: (from: NodeId, to: NodeId) => boolean;
  /** What `from` says instead of the truth. */
  readonly forge: (from: NodeId, answer: unknown) => unknown;
}

export class RelayLinks {
  readonly #network: RelayNetwork;
  readonly #open = new Set<{ readonly to: NodeId; readonly reject: (error: Error) => void }>();

  constructor(network: RelayNetwork) {
    this.#network = network;
  }

  peersOf(self: NodeId): RelayPeers {
    return {
      neighbours: () => [...this.#network.nodes.keys()].filter((id) => id !== self),
      pull: (to, request, options) =>
        this.#call(self, to, options, ({ relay }, signal) => {
          if (relay === null) throw new Error(`${to} serves no pulls`);
          return relay.serve(self, structuredClone(request), signal);
        }).then((answer) => this.#network.forge(to, answer)),
    };
  }

  askLeaderOf(self: NodeId): (leader: NodeId, _: string, signal: AbortSignal) => Promise<Index> {
    return (leader, _, signal) =>
      this.#call(self, leader, { timeoutMs: 1000, signal }, ({ consensus }) =>
        consensus.status().role === "leader"
          ? consensus.readBarrier(1000)
          : Promise.reject(new Error(`${leader} does not lead`)),
      );
  }

  /** The process of `id` is gone: its connections close. */
  closed(id: NodeId): void {
    for (const { to, reject } of [...this.#open]) if (to === id) reject(new Error(`${id} died`));
  }

  async #call<T>(
    from: NodeId,
    to: NodeId,
    { timeoutMs, signal }: PullOptions,
    serve: (member: Member, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { clock, nodes, lets } = this.#network;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const given = new AbortController();
    const call = { to, reject };
    const abort = (): void => reject(abortReason(signal));
    const disarm = clock.setTimer(timeoutMs, () => reject(new Error(`${to} did not answer`)));
    signal.addEventListener("abort", abort, { once: true });
    this.#open.add(call);
    clock.setTimer(1, () => {
      const member = nodes.get(to);
      if (member === undefined) return reject(new Error(`${to} is not there`));
      if (!lets(from, to)) return;
      const back = (act: () => void): void => {
        clock.setTimer(1, () => {
          if (lets(to, from)) act();
        });
      };
      serve(member, given.signal).then(
        (value) => back(() => resolve(structuredClone(value))),
        (error: unknown) => back(() => reject(error)),
      );
    });
    try {
      return await promise;
    } finally {
      given.abort();
      disarm();
      signal.removeEventListener("abort", abort);
      this.#open.delete(call);
    }
  }
}
