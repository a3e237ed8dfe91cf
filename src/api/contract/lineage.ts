/** Generations, conflicts that merges left behind, and the operator's way out of a lost quorum. */
import { Type } from "typebox";
import {
  anyJson,
  closed,
  nullableInteger,
  nullableString,
  nullableTime,
  page,
  time,
  type Wire,
} from "./wire.ts";

export const resolutions = ["pending", "applied", "discarded", "superseded"] as const;

const peer = Type.Object({ id: Type.String(), name: nullableString });

export const generationSchema = Type.Object({
  n: Type.Integer({ description: "depth in the tree of generations; 1 is bootstrap" }),
  id: Type.String(),
  parent: nullableString,
  kind: Type.Enum(["bootstrap", "forced-proof", "forced-operator", "forced-auto"]),
  forkIndex: Type.Integer({ description: "last entry kept from the parent" }),
  members: Type.Array(peer),
  lost: Type.Array(peer, { description: "voters and standbys that were left behind" }),
  outlived: Type.Boolean({ description: "false after a cold start: it saw nobody disappear" }),
  missingAtMost: Type.Union([Type.Integer(), Type.Null()], {
    description: "acknowledged entries that may be missing, at most; null when not known",
  }),
  at: time,
});
export type GenerationAnswer = Wire<typeof generationSchema>;

export const mergeSchema = Type.Object({
  generation: Type.String(),
  n: Type.Integer(),
  forkIndex: Type.Integer(),
  begunAt: time,
  doneAt: nullableTime,
  applied: Type.Integer({ description: "records taken over" }),
  added: Type.Integer({ description: "lines of history, ledger, revisions, answers added" }),
  pending: Type.Integer({ description: "conflicts that wait for an operator now" }),
  superseded: Type.Integer({ description: "conflicts that a rule decided" }),
  events: Type.Integer(),
});

export const lineageSchema = Type.Object({
  provisional: Type.Boolean({
    description: "members that were lost at the fork are still missing",
  }),
  generations: Type.Array(generationSchema, { description: "from bootstrap to the current one" }),
  merges: Type.Array(mergeSchema),
});
export type LineageAnswer = Wire<typeof lineageSchema>;

export const conflictSchema = Type.Object({
  id: Type.String(),
  generation: Type.String({ description: "the one that lost" }),
  key: Type.String({ description: "kind/name of the record" }),
  rule: Type.String(),
  state: Type.Enum([...resolutions], {
    description: "superseded: decided by the rule of its kind, for the record only",
  }),
  otherSide: Type.Union([anyJson, Type.Null()], { description: "null: deleted there" }),
  atMerge: Type.Union([anyJson, Type.Null()], { description: "this side's value at the merge" }),
  inForce: Type.Union([anyJson, Type.Null()], { description: "the value of now" }),
  changedSince: Type.Boolean({ description: "the record was written again since the merge" }),
  at: time,
  resolvedBy: nullableString,
  resolvedAt: nullableTime,
});
export type ConflictAnswer = Wire<typeof conflictSchema>;
export const conflictsSchema = page(conflictSchema);

export const conflictsQuery = Type.Object(
  {
    generation: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 32,
        description: "id of the generation, or how it begins",
      }),
    ),
    state: Type.Optional(Type.Enum([...resolutions])),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
  },
  closed,
);

export const planSchema = Type.Object({
  hash: Type.String({ description: "confirm exactly this plan with it" }),
  why: Type.String(),
  kind: Type.Enum(["forced-proof", "forced-operator", "forced-auto"]),
  parent: Type.Object({ n: Type.Integer(), id: Type.String() }),
  survivors: Type.Array(peer),
  best: peer,
  lost: Type.Array(
    Type.Object({
      id: Type.String(),
      name: nullableString,
      silentMs: nullableInteger,
      proof: Type.Union([Type.String(), Type.Null()], { description: "why it is certainly gone" }),
    }),
  ),
  outlived: Type.Boolean(),
  missingAtMost: nullableInteger,
  majorityOfAll: Type.Boolean(),
});
export type PlanAnswer = Wire<typeof planSchema>;

export const recoverRequest = Type.Union([
  Type.Object({ plan: Type.Literal(true) }, closed),
  Type.Object({ confirm: Type.String({ pattern: "^[0-9a-f]{8,64}$" }) }, closed),
]);

/** A plan changes nothing; a confirmed one answers the generation that it began. */
export const recoverSchema = Type.Object({
  plan: Type.Union([planSchema, Type.Null()]),
  generation: Type.Union([generationSchema, Type.Null()]),
});
export type RecoverAnswer = Wire<typeof recoverSchema>;
