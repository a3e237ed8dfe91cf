/**
 * The configurations of the retained log, oldest first. The newest is in force from the moment it is appended;
 * truncating the log brings the one before back (rule C4). The oldest is always committed.
 */
import { assert, must } from "../../base/assert.ts";
import { configurationFault } from "./configuration.ts";
import { type Configuration, type Index } from "./types.ts";

export class ConfigHistory {
  #list: Configuration[];

  constructor(configurations: readonly Configuration[]) {
    this.#list = [...configurations];
    assert(this.#list.length > 0, "there is always a configuration, be it the empty one");
    assert(this.#isOrdered(), "configurations are ordered by index");
  }

  /** The one in force: that of the newest config entry, committed or not. */
  get effective(): Configuration {
    return must(this.#list.at(-1), "a configuration is in force");
  }

  /** The newest one at or below `commit`. */
  committed(commit: Index): Configuration {
    return must(
      this.#list.findLast((configuration) => configuration.index <= commit),
      "the oldest configuration is committed",
    );
  }

  /**
   * Does everybody vote in `committed(commit)` who votes now, and nobody else? Changes above it that leave the voters
   * alone count for no quorum: whether they are committed or not, the same nodes decide.
   */
  votersAreCommitted(commit: Index): boolean {
    const { sets } = this.committed(commit);
    const later = this.#list.filter(({ index }) => index > commit);
    return later.every((configuration) => haveEqualSets(configuration.sets, sets));
  }

  get all(): readonly Configuration[] {
    return this.#list;
  }

  append(configuration: Configuration): void {
    assert(configuration.index > this.effective.index, "a new configuration has a higher index");
    assert(configurationFault(configuration) === null, "a configuration in force is well formed");
    this.#list.push(configuration);
  }

  truncateFrom(index: Index): void {
    const kept = this.#list.filter((configuration) => configuration.index < index);
    assert(kept.length > 0, "a committed configuration is never truncated");
    this.#list = kept;
  }

  /** Keeps the one in force just before `first`, and all later ones. */
  compactTo(first: Index): void {
    const base = this.#list.findLastIndex((configuration) => configuration.index < first);
    const effective = this.effective;
    if (base > 0) this.#list = this.#list.slice(base);
    assert(this.effective === effective, "compaction leaves the configuration in force");
    assert(this.#list.length > 0, "compaction keeps a configuration");
  }

  restore(configuration: Configuration): void {
    assert(configurationFault(configuration) === null, "a restored configuration is well formed");
    this.#list = [configuration];
    assert(this.effective === configuration, "the restored configuration is in force");
  }

  #isOrdered(): boolean {
    return this.#list.every((c, i) => i === 0 || (this.#list[i - 1]?.index ?? -1) < c.index);
  }
}

function haveEqualSets(a: Configuration["sets"], b: Configuration["sets"]): boolean {
  const isEqual = (set: readonly string[], i: number): boolean =>
    set.length === b[i]?.length && set.every((id) => b[i]?.includes(id));
  return a.length === b.length && a.every(isEqual);
}
