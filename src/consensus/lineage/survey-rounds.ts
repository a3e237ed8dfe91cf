/**
 * In which order a member without a quorum turns to the others. Members with a place turn to one another first: what
 * they hold decides. Of the others the nearest on the ring of names come first, on either side, a few at a time: so
 * two turn to each other in about the same moment, over one connection, and nobody is asked by all at once. To ask a
 * thousand in one moment would take longer to connect than any of them is waited for.
 */
import { type NodeId } from "../core/types.ts";
import { type LocalFacts } from "./coordinator-types.ts";
import { placesOf } from "./self-report.ts";

/** Of those without a common place; each tick, four times a second. */
const atOnce = 8;

/** The next of `members` for `self` to turn to. */
export function nextInTurn(
  self: NodeId,
  members: readonly NodeId[],
  { configuration }: Pick<LocalFacts, "configuration">,
): readonly NodeId[] {
  const places = new Set(placesOf(configuration));
  const mates = places.has(self) ? members.filter((id) => places.has(id)) : [];
  const others = mates.length === 0 ? members : members.filter((id) => !places.has(id));
  if (others.length <= atOnce) return [...mates, ...others];
  const ring = [...others].sort();
  const above = ring.findIndex((id) => id > self);
  const from = (above < 0 ? ring.length : above) - atOnce / 2;
  const near = Array.from({ length: atOnce }, (_, step) => ring.at((from + step) % ring.length));
  return [...mates, ...near.filter((id) => id !== undefined)];
}

/** Everybody is asked once in a round, and none is asked for a second time before all were. */
export class SurveyRounds {
  #begunAt = -Infinity;
  #open: readonly NodeId[] = [];

  /** @returns whether a period is over, and whether that is the first one. */
  begins(now: number, everyMs: number, members: readonly NodeId[]): "first" | "again" | null {
    if (now - this.#begunAt < everyMs) return null;
    const isFirst = this.#begunAt === -Infinity;
    this.#begunAt = now;
    if (this.#open.length === 0) this.#open = members;
    return isFirst ? "first" : "again";
  }

  /** Whom to ask now. */
  next(self: NodeId, facts: Pick<LocalFacts, "configuration">): readonly NodeId[] {
    if (this.#open.length === 0) return [];
    const asked = new Set(nextInTurn(self, this.#open, facts));
    this.#open = this.#open.filter((id) => !asked.has(id));
    return [...asked];
  }

  /** The next one is the first again. */
  restart(): void {
    this.#begunAt = -Infinity;
    this.#open = [];
  }
}
