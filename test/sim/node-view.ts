/** What the observer knows of one agent, across its lives. */
import { type Entry, type Index, type NodeId, type Term } from "../../src/consensus/core/types.ts";
import { type DurableLog } from "./durable-log.ts";
import { type VoterSets } from "../../src/consensus/core/quorum.ts";

export interface NodeView {
  readonly id: NodeId;
  readonly durable: DurableLog;
  /** The log as the core handed it out, durable or not: entries behind `imageBase`. */
  readonly image: Entry[];
  imageBase: { readonly index: Index; readonly term: Term };
  term: Term;
  commit: Index;
  /** The term it leads, as it said last. */
  leads: Term | null;
  /** The configuration it acted under after its last Ready. */
  sets: VoterSets;
  /** The newest term it vouched for in a message, and its vote in it. */
  promise: { readonly term: Term; readonly vote: NodeId | null };
  /** The last entry it vouched for and was not told to drop since. */
  acknowledged: Index;
}

export function newView(id: NodeId, durable: DurableLog): NodeView {
  return {
    ...{ id, durable, image: [], imageBase: { index: 0, term: 0 } },
    ...{ term: 0, commit: 0, leads: null, sets: [] },
    ...{ promise: { term: 0, vote: null }, acknowledged: 0 },
  };
}

export function termIn({ imageBase, image }: NodeView, index: Index): Term | null {
  if (index === imageBase.index) return imageBase.term;
  return image[index - imageBase.index - 1]?.term ?? null;
}
