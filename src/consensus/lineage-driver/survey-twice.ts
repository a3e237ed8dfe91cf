/**
 * A survey of everybody on an operator's word. Who answers is asked once more, as it must know that it was heard; so is
 * who was slow and is heard by then. Who is silent costs its time once.
 */
import { type NodeId } from "../core/types.ts";

export async function surveyTwice(
  members: readonly NodeId[],
  {
    ask,
    isHeard,
  }: {
    readonly ask: (member: NodeId) => Promise<void>;
    /** Whether anything came from a member since the first question. */
    readonly isHeard: (member: NodeId) => boolean;
  },
): Promise<void> {
  const asked = await Promise.allSettled(members.map(ask));
  const here = members.filter((id, at) => asked[at]?.status === "fulfilled" || isHeard(id));
  await Promise.allSettled(here.map(ask));
}
