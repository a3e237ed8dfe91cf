/**
 * Shapes of what agents tell each other about lineage. Nothing a peer says is used before it was checked here. What may
 * become durable passes the codec of the disk too: else one wrong field from one peer would make every log unreadable.
 */
import { type Configuration, type LogPosition } from "../consensus/core/types.ts";
import { type AcceptRequest, type BallotRequest } from "../consensus/lineage/coordinator-types.ts";
import { maxGenerations } from "../consensus/lineage/generation.ts";
import {
  parseBallot,
  parseGeneration,
  parseGenerations,
  parsePromise,
} from "../consensus/lineage/lineage-codec.ts";
import {
  type Demotion,
  type MergePage,
  type PromiseAnswer,
  type SettledExit,
} from "../consensus/lineage/ports.ts";
import {
  type Ballot,
  type ExitStatement,
  type LineageHello,
  type LineagePromise,
  type Proof,
  type Survey,
} from "../consensus/lineage/types.ts";
import { AgentError } from "../base/errors.ts";
import { generation, generationRef } from "../inventory/lineage-shapes.ts";
import {
  binary,
  dictionary,
  flag,
  list,
  natural,
  nullable,
  number,
  object,
  oneOf,
  optional,
  type Shape,
  text,
} from "../inventory/shape.ts";

const maxIds = 16_384;
const maxChains = 512;

function short<T>(shape: Shape<readonly T[]>, most: number): Shape<readonly T[]> {
  return (value, path) =>
    Array.isArray(value) && value.length > most
      ? `${path} has more than ${most} elements`
      : shape(value, path);
}

const ids = short(list(text), maxIds);
/** More ballots than were ever held; behind it there is room to count on. */
const maxCounter = 2 ** 40;

function readable<T>(shape: Shape<T>, parse: (value: unknown) => T | null): Shape<T> {
  return (value, at) =>
    shape(value, at) ?? (parse(value) === null ? `${at} could not be read back from disk` : null);
}

const counted = readable(object<Ballot>({ counter: natural, node: text }), parseBallot);
const ballot: Shape<Ballot> = (value, at) =>
  counted(value, at) ??
  ((value as Ballot).counter > maxCounter ? `${at} counts further than ballots do` : null);
const child = readable(generation, parseGeneration);
const promise = nullable(
  readable(
    object<LineagePromise>({
      parent: text,
      ballot,
      accepted: nullable(object<NonNullable<LineagePromise["accepted"]>>({ ballot, child })),
    }),
    parsePromise,
  ),
);
const path = readable(short(list(generation), maxGenerations), parseGenerations);

const chain: Shape<readonly [number, string]> = (value, at) =>
  Array.isArray(value) && value.length === 2
    ? (natural(value[0], `${at}[0]`) ?? text(value[1], `${at}[1]`))
    : `${at} is not an index with its chain`;
const chains = short(list(chain), maxChains);

const configuration = object<Configuration>({
  index: natural,
  sets: short(list(ids), 2),
  standbys: ids,
  standbysNext: ids,
  observers: ids,
  lost: ids,
  autoLeave: flag,
});

const statement = object<ExitStatement>({
  node: text,
  nonce: text,
  generation: generationRef,
  voters: ids,
  term: natural,
  lastTerm: natural,
  lastIndex: natural,
  chain: text,
});
const exitProof = object<Extract<Proof, { kind: "exit" }>>({
  kind: oneOf("exit"),
  node: text,
  statement,
});
const otherProof = object<Exclude<Proof, { kind: "exit" }>>({
  kind: oneOf("leave", "fence", "departed"),
  node: text,
  generation: generationRef,
} as never);
const proof: Shape<Proof> = (value, at) =>
  exitProof(value, at) === null ? null : otherProof(value, at);

const position = object<LogPosition>({ term: natural, index: natural });

const wholeMs: Shape<number> = (value, at) =>
  number(value, at) ?? (Number(value) >= 0 ? null : `${at} is negative`);

export const helloShape = object<LineageHello>({
  clusterId: text,
  from: text,
  generations: path,
  promise,
  lastTerm: natural,
  lastIndex: natural,
  commit: natural,
  leader: nullable(text),
  chains,
});

export const surveyShape = object<Survey>({
  from: text,
  generation: generationRef,
  promise,
  lastTerm: natural,
  lastIndex: natural,
  commit: natural,
  leaderLast: natural,
  configuration,
  twoWay: ids,
  silentMs: dictionary(wholeMs),
  outlived: ids,
  proofs: short(list(proof), maxIds),
  chains,
  storageOk: flag,
  hasBegun: flag,
  mayVote: flag,
  left: optional(short(list(text), maxGenerations)),
  held: flag,
  hasCarrier: flag,
  upMs: wholeMs,
});

export const ballotShape = object<BallotRequest>({ parent: text, ballot, exits: ids });
const accepted = object<AcceptRequest>({ parent: text, ballot, child });
export const acceptShape: Shape<AcceptRequest> = (value, at) =>
  accepted(value, at) ??
  ((value as AcceptRequest).child.parent === (value as AcceptRequest).parent
    ? null
    : `${at}.child is of another parent`);
export const answerShape = object<PromiseAnswer>({
  granted: flag,
  promise,
  term: natural,
  lastTerm: natural,
  lastIndex: natural,
  commit: natural,
});
export const pageShape = object<MergePage>({
  generation: generationRef,
  forkIndex: natural,
  members: ids,
  sequence: natural,
  bytes: binary,
  pages: nullable(natural),
});
export const settledShape = object<SettledExit>({ nonce: text, generation: text });
export const demotionShape = object<Demotion>({ generations: path, commit: position });
export const generationShape = generation;

/** @throws AgentError INVALID that says which field is wrong. */
export function checked<T>(shape: Shape<T>, value: unknown, what: string): T {
  const problem = shape(value, what);
  if (problem === null) return value as T;
  throw new AgentError("INVALID", `A peer's ${problem}`);
}
