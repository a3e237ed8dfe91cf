/** RFC 9457 problem details: the one form of every error answer. */
import { Type } from "typebox";
import { type Wire } from "./wire.ts";

export const problemEntrySchema = Type.Object(
  {
    code: Type.Optional(Type.String()),
    message: Type.String(),
    node: Type.Optional(Type.String()),
    field: Type.Optional(Type.String()),
  },
  { description: "one thing that is wrong: a node that fails a precheck, a bad field" },
);

export const problemSchema = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  code: Type.String({ description: "stable; see x-codes of each operation" }),
  problems: Type.Optional(Type.Array(problemEntrySchema)),
  details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  id: Type.Optional(Type.String({ description: "of an internal error, to find it in the log" })),
});
export type Problem = Wire<typeof problemSchema>;
export type ProblemEntry = Wire<typeof problemEntrySchema>;
export const problemMediaType = "application/problem+json";
