/**
 * Random choice of peers for gossip, indirect probes and anti-entropy: among the neighbours of the overlay,
 * or among all members when probing is uniform.
 */
import { type Random, shuffle } from "../../base/random.ts";
import { type MemberTable } from "./member-table.ts";
import { type Overlay } from "./overlay.ts";
import { type Ix } from "./types.ts";

export interface PeerChoiceDependencies {
  readonly self: Ix;
  readonly table: MemberTable;
  readonly overlay: Overlay;
  readonly random: Random;
}

export class PeerChoice {
  readonly #selector: "ring" | "uniform";
  readonly #self: Ix;
  readonly #table: MemberTable;
  readonly #overlay: Overlay;
  readonly #random: Random;

  constructor(
    options: { readonly selector: "ring" | "uniform" },
    dependencies: PeerChoiceDependencies,
  ) {
    this.#selector = options.selector;
    this.#self = dependencies.self;
    this.#table = dependencies.table;
    this.#overlay = dependencies.overlay;
    this.#random = dependencies.random;
  }

  /** Up to `count` distinct members that are up and that `accept` takes. */
  up(count: number, accept: (ix: Ix) => boolean): readonly Ix[] {
    if (this.#selector === "ring") {
      return shuffle(this.#overlay.neighbours().filter(accept), this.#random).slice(0, count);
    }
    return this.among(count, (ix) => this.#table.isUp(ix) && accept(ix));
  }

  /** Up to `count` distinct members of any status that `accept` takes; cheap, so it may miss rare ones. */
  among(count: number, accept: (ix: Ix) => boolean): readonly Ix[] {
    const chosen: Ix[] = [];
    const bound = this.#table.bound;
    for (let tries = 3 * bound; tries > 0 && chosen.length < count; tries -= 1) {
      const ix = this.#random.below(bound);
      if (ix !== this.#self && !chosen.includes(ix) && accept(ix)) chosen.push(ix);
    }
    return chosen;
  }
}
