/** Events of inventory and membership, ordered by Raft index; and the explanations of `why`. */
import { Type } from "typebox";
import { anyJson, closed, nullableString, nullableTime, time, type Wire } from "./wire.ts";

export const eventsQuery = Type.Object(
  {
    since: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        description:
          "an event's id (events after it), an INDEX, an RFC 3339 time, or a duration back",
      }),
    ),
    follow: Type.Optional(Type.Boolean()),
  },
  closed,
);

export const eventSchema = Type.Object({
  id: Type.String({
    description:
      "what since and Last-Event-ID take: INDEX.SEQ, with @GENERATION where some were forced",
  }),
  index: Type.Integer(),
  seq: Type.Integer({ description: "orders the events of one index" }),
  time,
  type: Type.String(),
  subject: Type.String(),
  message: Type.String(),
  by: Type.String(),
  data: Type.Record(Type.String(), anyJson),
});
export type Event = Wire<typeof eventSchema>;

const reason = Type.Object({
  code: Type.String(),
  message: Type.String(),
  node: nullableString,
  job: nullableString,
  since: nullableTime,
});
export type Reason = Wire<typeof reason>;

/** `summary` is one sentence; `reasons` name what is waited for and who holds it. */
export const whyNodeSchema = Type.Object({
  node: Type.String(),
  phase: Type.String(),
  reachability: Type.String(),
  summary: Type.String(),
  reasons: Type.Array(reason),
  nextTryAt: nullableTime,
});
export type WhyNode = Wire<typeof whyNodeSchema>;

export const whyJobSchema = Type.Object({
  job: Type.String(),
  status: Type.String(),
  summary: Type.String(),
  reasons: Type.Array(reason),
  nextTryAt: nullableTime,
});
export type WhyJob = Wire<typeof whyJobSchema>;
