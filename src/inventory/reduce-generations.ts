/**
 * Forced generations as the cluster remembers them: who forced them, on what evidence, what may be missing; and when
 * everybody was accounted for again. The lineage beside the log decides; this is for operators and for merges.
 */
import { type PeerId } from "../base/ids.ts";
import { type Generation } from "../consensus/lineage/types.ts";
import { type CommandType } from "./commands.ts";
import { type CommandOf } from "./command-shapes.ts";
import { type Draft } from "./draft.ts";
import { type GenerationRecord } from "./lineage-records.ts";
import { limits } from "./limits.ts";
import { checkPattern, checkText, firstProblem } from "./names.ts";
import { type Handlers, type Outcome, done, invalid, notFound } from "./outcome.ts";

export const generationHandlers: Handlers<
  Extract<CommandType, "generation.begin" | "generation.settled">
> = { "generation.begin": begin, "generation.settled": settle };

/** Asked again it changes nothing: a new leader of the generation cannot know whether the last one got so far. */
function begin(draft: Draft, { generation, evidence }: CommandOf<"generation.begin">): Outcome {
  const { id } = generation;
  if (draft.view.generation(id) !== null) return done({ id });
  const lists = [generation.members, generation.lost, evidence];
  const problem =
    checkPattern("id", id, /^[0-9a-f]{32}$/) ??
    firstProblem(lists, ({ length }) =>
      length <= limits.sideMembers
        ? null
        : `it names ${length} members; at most ${limits.sideMembers}`,
    );
  if (problem !== null) return invalid("begin the generation", problem);
  draft.put("generation", id, {
    ...plain(generation),
    by: draft.by,
    evidence: evidence.map(({ node, silentMs, proof }) => ({ node, silentMs, proof })),
    begunAt: draft.at,
    settledAt: generation.kind === "forced-proof" ? draft.at : null,
  });
  dropOldest(draft);
  const { n, kind, missingAtMost } = generation;
  const missing = missingAtMost === null ? "unknown" : `at most ${missingAtMost}`;
  const lost = generation.lost.map((peer) => nameOf(draft, peer));
  draft.emit(
    "generation.forced",
    `generation/${id}`,
    `Generation ${n} forced (${kind}) without ${lost.join(", ") || "anybody missing"}; entries missing: ${missing}`,
    { n, kind, lost, members: generation.members, missingAtMost, outlived: generation.outlived },
  );
  return done({ id });
}

function settle(draft: Draft, { id, reason }: CommandOf<"generation.settled">): Outcome {
  const record = draft.view.generation(id);
  if (record === null) return notFound("generation", id);
  if (record.settledAt !== null) return done({ id });
  const problem = checkText("reason", reason, limits.textLength);
  if (problem !== null) return invalid("settle the generation", problem);
  draft.put("generation", id, { ...record, settledAt: draft.at });
  draft.emit(
    "generation.settled",
    `generation/${id}`,
    `Generation ${record.n} settled: ${reason}`,
    {
      n: record.n,
    },
  );
  return done({ id });
}

/** Without what a newer agent may have added: every agent must write the same record. */
function plain(given: Generation): Generation {
  const { n, id, parent, kind, forkIndex, forkTerm, forkChain, legitCommit } = given;
  const { members, coordinator, lost, outlived, missingAtMost, at } = given;
  const fork = { forkIndex, forkTerm, forkChain, legitCommit };
  return { n, id, parent, kind, ...fork, members, coordinator, lost, outlived, missingAtMost, at };
}

function nameOf(draft: Draft, peer: string): string {
  return draft.view.member(peer as PeerId)?.node ?? peer;
}

function dropOldest(draft: Draft): void {
  const records = draft.view.generations();
  const age = (a: GenerationRecord, b: GenerationRecord): number => a.version - b.version;
  const excess = records.length - limits.generations;
  if (excess <= 0) return;
  for (const { id } of records.toSorted(age).slice(0, excess)) draft.delete("generation", id);
}
