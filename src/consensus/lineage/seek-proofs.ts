/** Whom to ask for proof that missing members are gone: their supervisors, and the operator's fence. Pure. */
import { voterIds } from "../core/configuration.ts";
import { type NodeId } from "../core/types.ts";
import { type CoordinatorEffect, type LocalFacts } from "./coordinator-types.ts";
import { type SurvivorPlan } from "./types.ts";

/**
 * Every survivor asks for exits. Only the one that would go on fences, once, and only voters, when it must.
 * @param mayFence the leader had the first word, and this process has followed one: who was off itself cannot know
 *   whether its partner had it fenced, and what that acknowledged alone afterwards.
 */
export function seekProofs(
  self: NodeId,
  { lost, best, wantsProof }: SurvivorPlan,
  { settings, configuration }: Pick<LocalFacts, "settings" | "configuration">,
  mayFence: boolean,
): readonly CoordinatorEffect[] {
  const unproven = lost.filter(({ proof }) => proof === null).map(({ id }) => id);
  const asks = unproven.map((node) => ({ kind: "ask-exit", node }) as const);
  const fences = mayFence && settings.fence && wantsProof && best === self;
  const fenced = unproven.filter((id) => fences && voterIds(configuration).includes(id));
  return [...asks, ...fenced.map((node) => ({ kind: "fence", node }) as const)];
}
