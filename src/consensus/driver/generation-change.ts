/**
 * What one step into another generation writes. Pure, and strict: a step that does not fit the log as it is on disk is
 * refused, because nothing could repair what it would cut off.
 *
 * Terms never fall, whichever generation an agent is in, and it enters each with its vote given to itself: so it cannot
 * vote twice in a term of a generation to which it comes back.
 */
import { must } from "../../base/assert.ts";
import { encodeConfiguration } from "../core/config-codec.ts";
import { EntryType, type HardState, type NodeId, type RecoveredLog } from "../core/types.ts";
import { ConsensusError } from "../errors.ts";
import { forceConfiguration } from "../lineage/force.ts";
import { currentGeneration, leftOver, withGeneration } from "../lineage/generation.ts";
import { type Generation, type Lineage } from "../lineage/types.ts";
import { type EnterStep } from "./api.ts";
import { type LogWrite } from "./ports.ts";
import { termAt } from "./standing.ts";

/** An agent between two generations: its engine is halted and its disk is quiet. */
export interface Standing {
  readonly self: NodeId;
  readonly lineage: Lineage;
  readonly log: RecoveredLog;
  /** Hash chain behind the last entry. */
  readonly chain: string | null;
}

type Of<K extends EnterStep["kind"]> = Extract<EnterStep, { readonly kind: K }>;

export function writeOf(step: EnterStep, standing: Standing): LogWrite {
  switch (step.kind) {
    case "force":
      return force(step, standing);
    case "adopt":
      return adopt(step, standing);
    case "reset":
      return reset(step, standing);
  }
}

function force({ child, term }: Of<"force">, { self, lineage, log, chain }: Standing): LogWrite {
  const { hardState, lastIndex } = log;
  const parent = currentGeneration(lineage);
  if (child.parent !== parent.id) throw mismatch(child, "it is no child of the present generation");
  const accepted = lineage.promise?.accepted?.child.id;
  if (accepted !== child.id) throw mismatch(child, "this agent has not accepted it");
  if (child.coordinator !== self) throw mismatch(child, "another agent coordinates it");
  if (child.forkIndex !== lastIndex || child.forkChain !== chain) {
    throw mismatch(
      child,
      `it begins behind entry ${child.forkIndex}, and the log differs from that`,
    );
  }
  if (term <= hardState.term) throw mismatch(child, `term ${term} is not a new one`);
  const index = lastIndex + 1;
  const former = must(log.configs.at(-1), "a recovered log has a configuration");
  const data = encodeConfiguration(forceConfiguration(former, child, index));
  return {
    ...keeping(lineage, withGeneration(lineage.generations, child)),
    entries: [{ index, term, type: EntryType.forceConfig, data }],
    hardState: { term, vote: self, commit: hardState.commit },
  };
}

function adopt({ generations }: Of<"adopt">, { self, lineage, log }: Standing): LogWrite {
  const { hardState, lastIndex } = log;
  const present = currentGeneration(lineage);
  const at = generations.findIndex(({ id }) => id === present.id);
  const after = generations.slice(at + 1);
  const child = must(generations.at(-1), "a path is not empty");
  if (at < 0 || after.length === 0) {
    throw mismatch(child, "it does not come from the present generation");
  }
  if (after.some(({ id }) => lineage.left?.includes(id) === true)) {
    throw mismatch(child, "this agent left it before, and enters it only by starting over");
  }
  const fork = after.reduce((least, one) => (one.forkIndex < least.forkIndex ? one : least));
  const keepTo = Math.min(lastIndex, fork.forkIndex);
  if (hardState.commit > keepTo) {
    throw mismatch(child, `entry ${hardState.commit} is committed here and not kept there`);
  }
  if (termAt(log, keepTo) > Math.min(...after.map(({ forkTerm }) => forkTerm))) {
    throw mismatch(child, "entries from here are newer than its fork: they must be exported first");
  }
  return {
    ...keeping(lineage, generations),
    // Who started over and has not caught up knows no more in a child: it may have coordinated that one itself.
    lineage: { ...next(lineage, generations), voteFrom: lineage.voteFrom },
    truncateFrom: keepTo < lastIndex ? keepTo + 1 : null,
    hardState: { ...used(self, hardState), commit: hardState.commit },
  };
}

function reset({ generations, voteFrom }: Of<"reset">, { self, lineage, log }: Standing): LogWrite {
  const hardState = { ...used(self, log.hardState), commit: 0 };
  return {
    ...keeping(lineage, generations),
    lineage: {
      ...{ generations, promise: null, voteFrom },
      ...leftOver(lineage, generations, { startsOver: true }),
    },
    clear: true,
    hardState,
  };
}

function used(self: NodeId, { term }: HardState): Pick<HardState, "term" | "vote"> {
  return { term, vote: self };
}

function next(before: Lineage, generations: readonly Generation[]): Lineage {
  const left = leftOver(before, generations, { startsOver: false });
  return { generations, promise: null, voteFrom: null, ...left };
}

function keeping(before: Lineage, generations: readonly Generation[]): LogWrite {
  const rest = { entries: [], hardState: null, snapshot: null, mustSync: true };
  return { seq: 0, truncateFrom: null, ...rest, lineage: next(before, generations) };
}

function mismatch({ n, id }: Generation, why: string): ConsensusError {
  const message = `Cannot enter generation ${n}/${id.slice(0, 8)}: ${why}. Nothing was changed.`;
  return new ConsensusError("GENERATION_MISMATCH", message, { generation: id });
}
