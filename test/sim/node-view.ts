/** What the observer knows of one agent, across its lives. */
import { type Entry, type Index, type NodeId, type Term } from "../../src/consensus/core/types.ts";
import { type Lineage } from "../../src/consensus/lineage/types.ts";
import { type History } from "./chronicle.ts";
import { type DurableLog } from "./durable-log.ts";
import { type VoterSets } from "../../src/consensus/core/quorum.ts";

/** A change of its lineage that it asked its disk for. */
export interface LineageWrite {
  readonly lineage: Lineage;
  /** The log starts over. */
  readonly clears: boolean;
  /** The disk said so. */
  done: boolean;
}

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
  /** The generation it acts in. */
  history: History;
  lineage: Lineage | null;
  /** Since `lineage`, in order. */
  readonly writes: LineageWrite[];
  /** It told others that it acts in this generation no more. */
  fenced: History | null;
  /** The last leader it told others of, and the generation that is about. */
  told: { readonly history: History; readonly leader: NodeId } | null;
  /** It gave its generation up with a leader in sight. */
  gaveUp: { readonly history: History; readonly leader: NodeId; readonly atMs: number } | null;
  /** How far its log reached in generations that it left for another history. */
  readonly left: { readonly history: History; readonly end: Index }[];
}

export function newView(id: NodeId, durable: DurableLog, history: History): NodeView {
  return {
    ...{ id, durable, image: [], imageBase: { index: 0, term: 0 } },
    ...{ term: 0, commit: 0, leads: null, sets: [] },
    ...{ promise: { term: 0, vote: null }, acknowledged: 0 },
    ...{ history, lineage: null, writes: [], fenced: null, told: null, gaveUp: null, left: [] },
  };
}

export function termIn({ imageBase, image }: NodeView, index: Index): Term | null {
  if (index === imageBase.index) return imageBase.term;
  return image[index - imageBase.index - 1]?.term ?? null;
}
