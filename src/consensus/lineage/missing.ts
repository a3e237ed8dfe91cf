/**
 * What a group of survivors knows about one member that is missing: for how long it is silent, whether somebody saw
 * it fall silent, whether it is proven to be gone. Proofs are facts about one generation; one that fits neither the
 * generation nor the best log proves nothing.
 */
import { voterIds } from "../core/configuration.ts";
import { type NodeId } from "../core/types.ts";
import { type ExitStatement, type Proof, type Survey } from "./types.ts";

export interface Missing {
  readonly id: NodeId;
  readonly votes: boolean;
  /** Since anybody in the group heard of it, ms; at most as long as the group's oldest process is up. */
  readonly silentMs: number;
  /** Somebody in the group was up when it fell silent. */
  readonly outlived: boolean;
  readonly proof: Proof["kind"] | null;
  /** Nonces of the attested exits that hold. */
  readonly exits: readonly string[];
}

export function assess(
  id: NodeId,
  group: readonly Survey[],
  best: Survey,
  departed: boolean,
): Missing {
  const proofs = group.flatMap((survey) => survey.proofs);
  const holding = proofs.filter((proof) => proof.node === id && holds(proof, best));
  return {
    id,
    votes: voterIds(best.configuration).includes(id),
    silentMs: silenceOf(id, group),
    outlived: group.some((survey) => survey.outlived.includes(id)),
    proof:
      order.find((kind) => holding.some((proof) => proof.kind === kind)) ??
      (departed ? "departed" : null),
    exits: holding.flatMap((proof) => (proof.kind === "exit" ? [proof.statement.nonce] : [])),
  };
}

/** A process that never heard of it knows only that it is silent since that process began. */
function silenceOf(id: NodeId, group: readonly Survey[]): number {
  if (group.some(({ twoWay }) => twoWay.includes(id))) return 0;
  const told = group.map((survey) => ({ ms: survey.silentMs[id] ?? survey.upMs, up: survey.upMs }));
  const heard = told.filter(({ ms, up }) => ms < up);
  if (heard.length > 0) return Math.min(...heard.map(({ ms }) => ms));
  return Math.max(0, ...told.map(({ up }) => up));
}

/** Strongest first: only the last leaves open whether something acknowledged is missing. */
const order = ["exit", "leave", "fence", "departed"] as const satisfies readonly Proof["kind"][];

function holds(proof: Proof, best: Survey): boolean {
  if (proof.kind !== "exit") return proof.generation.id === best.generation.id;
  return proof.statement.node === proof.node && coversExit(proof.statement, best);
}

/**
 * Does the best log hold all that the dead one held, and did the dead one not go on alone in a configuration that the
 * survivors do not know? Otherwise it may have acknowledged what they lack.
 */
function coversExit(statement: ExitStatement, best: Survey): boolean {
  if (statement.generation.id !== best.generation.id) return false;
  if (statement.lastIndex > best.lastIndex || statement.lastTerm > best.lastTerm) return false;
  const chain = best.chains.find(([index]) => index === statement.lastIndex)?.[1];
  if (statement.lastIndex > 0 && chain !== statement.chain) return false;
  const voters = [...voterIds(best.configuration)].sort();
  return [...statement.voters].sort().join() === voters.join();
}
