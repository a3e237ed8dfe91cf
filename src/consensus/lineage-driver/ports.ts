/**
 * What the driver of lineage needs beside the ports of lineage itself: the engine, and what the agent sees around it.
 */
import { type ConsensusNode } from "../driver/api.ts";
import { type NodeId } from "../core/types.ts";
import { type LocalFacts } from "../lineage/coordinator-types.ts";
import { type LineagePeers } from "../lineage/ports.ts";
import { type Generation } from "../lineage/types.ts";

export type LineageEngine = Pick<
  ConsensusNode<unknown>,
  | "status"
  | "lineage"
  | "chainAt"
  | "promise"
  | "freeze"
  | "enter"
  | "onChange"
  | "onForeignGeneration"
>;

/** The part of the facts that is not the engine's. */
export interface Surroundings
  extends Pick<
    LocalFacts,
    "admitted" | "neighbours" | "heardMs" | "storageOk" | "hasCarrier" | "upMs" | "settings"
  > {
  /** A held agent may leave its generation for one of its own; it never acts in the old one. */
  readonly holdIsOver: boolean;
}

export interface AgentPeers extends LineagePeers {
  /** Asks the member with the best log to carry out the operator's plan. */
  recover(to: NodeId, hash: string): Promise<Generation>;
}
