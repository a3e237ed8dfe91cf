/** What one simulated agent keeps over a crash: its path, its log with a hash chain, term and commit index. */
import { createHash } from "node:crypto";
import { must } from "../../../src/base/assert.ts";
import { emptyConfiguration } from "../../../src/consensus/core/configuration.ts";
import { type Configuration, type NodeId } from "../../../src/consensus/core/types.ts";
import { forceConfiguration } from "../../../src/consensus/lineage/force.ts";
import {
  bootstrapLineage,
  currentGeneration,
  hasBegun,
  mayVote,
} from "../../../src/consensus/lineage/generation.ts";
import { type Generation, type Lineage } from "../../../src/consensus/lineage/types.ts";

/** One entry. `ops` are what clients wrote; a merge carries several. */
export interface Item {
  readonly term: number;
  readonly kind: "noop" | "op" | "config" | "force" | "merge";
  readonly ops: readonly string[];
  readonly config: Configuration | null;
  /** Id of the generation that a force entry begins. */
  readonly begins: string | null;
  readonly chain: string;
}

export type NewItem = Omit<Item, "chain">;

export class Disk {
  lineage: Lineage;
  items: Item[] = [];
  term = 0;
  commit = 0;

  constructor(clusterId: string) {
    this.lineage = bootstrapLineage(clusterId);
  }

  get generation(): Generation {
    return currentGeneration(this.lineage);
  }

  get lastIndex(): number {
    return this.items.length;
  }

  get lastTerm(): number {
    return this.items.at(-1)?.term ?? 0;
  }

  chainAt(index: number): string | null {
    return this.items[index - 1]?.chain ?? null;
  }

  append(item: NewItem): void {
    const before = this.items.at(-1)?.chain ?? "";
    const text = JSON.stringify([before, item]);
    const chain = createHash("sha256").update(text).digest("hex").slice(0, 32);
    this.items.push({ ...item, chain });
  }

  /** The last configuration of the log, or, before the force entry arrived, the one it will hold. */
  get configuration(): Configuration {
    const known =
      this.items.findLast(({ config }) => config !== null)?.config ?? emptyConfiguration;
    const { generation } = this;
    if (generation.parent === null || this.hasBegun) return known;
    return forceConfiguration(known, generation, generation.forkIndex + 1);
  }

  get committedConfigIndex(): number {
    return this.items.findLastIndex(({ config }) => config !== null) + 1;
  }

  /** The log reaches into the current generation. */
  get hasBegun(): boolean {
    return hasBegun(this.generation, this.lastTerm);
  }

  /** It has again what it had when it started over. */
  get mayVote(): boolean {
    return mayVote(this.lineage, { term: this.lastTerm, index: this.lastIndex });
  }

  ops(after = 0): readonly string[] {
    return this.items.slice(after).flatMap(({ ops }) => ops);
  }

  force(child: Generation, term: number): void {
    const former = this.configuration;
    const index = child.forkIndex + 1;
    const config = forceConfiguration(former, child, index);
    must(this.lastIndex === child.forkIndex ? true : null, "the log ends at the fork");
    this.append({ term, kind: "force", ops: [], config, begins: child.id });
    this.term = term;
  }
}

export function isVoter({ sets }: Configuration, id: NodeId): boolean {
  return sets.some((set) => set.includes(id));
}
