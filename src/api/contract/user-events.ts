/** Events that operators and their programs tell all agents by gossip; not to be mixed up with the inventory's. */
import { Type } from "typebox";
import { closed, time, type Wire } from "./wire.ts";

/** Name and payload together, in UTF-8: what gossip carries. */
const contentBytesMax = 512;

export const tellUserEventRequest = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: 64,
      description: "1 to 64 bytes of UTF-8 without control characters",
    }),
    payload: Type.Optional(
      Type.String({
        description: `name and payload have at most ${contentBytesMax} bytes of UTF-8 together`,
      }),
    ),
  },
  closed,
);

export const userEventsQuery = Type.Object(
  {
    since: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description: "id of an event (those after it), an RFC 3339 time, or a duration back",
      }),
    ),
    follow: Type.Optional(Type.Boolean()),
  },
  closed,
);

export const userEventSchema = Type.Object({
  id: Type.String({ description: "where to go on; of the answering agent since its start" }),
  name: Type.String(),
  payload: Type.String(),
  node: Type.String({ description: "node of the agent that told it" }),
  origin: Type.String({ description: "id of that agent, which signed it" }),
  ltime: Type.Integer({
    description: "Lamport time: who knew of another event gave the higher one",
  }),
  time: Type.String({ ...time, description: "when the answering agent heard it" }),
});
export type UserEvent = Wire<typeof userEventSchema>;
