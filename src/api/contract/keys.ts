/** The keys of gossip's datagrams: where a rotation stands. The keys themselves are shown nowhere. */
import { Type } from "typebox";
import { nullableString, type Wire } from "./wire.ts";

export const keysSchema = Type.Object({
  epoch: Type.Integer({ description: "number of the newest key; 0: there is none yet" }),
  sealing: Type.Integer({ description: "number of the key that members seal with" }),
  rotation: Type.Union([
    Type.Object({
      key: Type.Integer(),
      step: Type.Enum(["install", "use"], {
        description: "install: members learn the key; use: they change over to it",
      }),
      startedAt: Type.String(),
      startedBy: Type.String(),
    }),
    Type.Null(),
  ]),
  members: Type.Integer({ description: "members that are up and take datagrams" }),
  ready: Type.Integer({ description: "those of them that have done the present step" }),
  waitingFor: Type.Array(Type.String(), { description: "names of the others, at most 100" }),
  rotatedAt: nullableString,
});
export type Keys = Wire<typeof keysSchema>;
