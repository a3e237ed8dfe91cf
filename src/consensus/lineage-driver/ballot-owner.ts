import { AgentError } from "../../base/errors.ts";
import { type NodeId } from "../core/types.ts";
import { type BallotRequest } from "../lineage/coordinator-types.ts";

/** A ballot belongs to who asks: nobody can use up another's. @throws AgentError INVALID. */
export function requireOwnBallot(by: NodeId, { ballot }: Pick<BallotRequest, "ballot">): void {
  if (ballot.node !== by) {
    throw new AgentError("INVALID", `Ballot of "${ballot.node}" was asked for by "${by}"`);
  }
}
