/**
 * What the coordinator is told about its own agent. Hash chains are read from the log, so those that an input needs are
 * fetched first, and everything else is read in the same moment as it is judged.
 */
import { type Slowness } from "../../base/slowness.ts";
import { type Configuration, type Index, type NodeId } from "../core/types.ts";
import { type ConsensusStatus } from "../driver/api.ts";
import { type LocalFacts } from "../lineage/coordinator-types.ts";
import { forceConfiguration } from "../lineage/force.ts";
import { currentGeneration, hasBegun, indicesToTell } from "../lineage/generation.ts";
import { type LineageHello } from "../lineage/types.ts";
import { type LineageEngine, type Surroundings } from "./ports.ts";

/** A leader that was not heard for longer is not in sight: twice the longest election timeout. */
const contactMs = 4000;

export class FactSource {
  readonly #self: NodeId;
  readonly #engine: LineageEngine;
  readonly #surroundings: () => Surroundings;
  readonly #slowness: Pick<Slowness, "factor">;

  constructor(
    self: NodeId,
    {
      engine,
      surroundings,
      slowness,
    }: {
      readonly engine: LineageEngine;
      readonly surroundings: () => Surroundings;
      readonly slowness: Pick<Slowness, "factor">;
    },
  ) {
    this.#self = self;
    this.#engine = engine;
    this.#surroundings = surroundings;
    this.#slowness = slowness;
  }

  get surroundings(): Surroundings {
    return this.#surroundings();
  }

  /** Without chains: for inputs that compare no logs. */
  now(chains: ReadonlyMap<Index, string> = new Map()): LocalFacts {
    const status = this.#engine.status();
    const surroundings = this.#surroundings();
    const { term, lastTerm, last: lastIndex, commit, leaderLast } = status;
    const held = status.engine === "held";
    const waits = held && !surroundings.holdIsOver;
    return {
      ...surroundings,
      held,
      slowness: this.#slowness.factor,
      // While it waits it is as good as not there.
      storageOk: surroundings.storageOk && !waits && status.health === "ok",
      lineage: this.#engine.lineage(),
      leader: this.#leaderOf(status),
      configuration: this.#configuration(status),
      ...{ term, lastTerm, lastIndex, commit, leaderLast },
      chainAt: (index) => chains.get(index) ?? null,
    };
  }

  /** With what it takes to compare histories with `peer`, or to tell one's own to somebody unknown. */
  async comparable(peer: LineageHello | null): Promise<LocalFacts> {
    const { last: lastIndex, commit } = this.#engine.status();
    const { generations } = this.#engine.lineage();
    return this.chained(indicesToTell({ generations, lastIndex, commit }, peer));
  }

  /** With the chains at `indices`, and at the end of the log. */
  async chained(indices: readonly Index[]): Promise<LocalFacts> {
    const wanted = new Set([...indices, this.#engine.status().last]);
    const chains = new Map<Index, string>();
    for (const index of wanted) {
      const chain = await this.#engine.chainAt(index);
      if (chain !== null) chains.set(index, chain);
    }
    return this.now(chains);
  }

  /** Who followed into a generation and has not got its first entry yet knows what that entry says all the same. */
  #configuration({ effective, lastTerm }: ConsensusStatus): Configuration {
    const generation = currentGeneration(this.#engine.lineage());
    if (hasBegun(generation, lastTerm) || generation.members.length === 0) return effective;
    return forceConfiguration(effective, generation, generation.forkIndex + 1);
  }

  #leaderOf(status: ConsensusStatus): NodeId | null {
    const { engine, leader, relayed, quorumLost, leaderContactMs } = status;
    if (engine !== "running" || leader === null || quorumLost) return null;
    // Word of it comes every few seconds only while nothing happens; that it is gone comes at once.
    if (relayed) return leader;
    return leader === this.#self || (leaderContactMs ?? Infinity) <= contactMs ? leader : null;
  }
}
