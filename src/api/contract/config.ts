/** The configuration repository: where it is, which revision is in force, and why the last fetch failed. */
import { Type } from "typebox";
import { closed, nullableString, nullableTime, time, version, type Wire } from "./wire.ts";

export const configSchema = Type.Object({
  source: Type.Union([Type.Object({ url: Type.String(), ref: nullableString }), Type.Null()]),
  revision: Type.Union([
    Type.Object({ commit: Type.String(), bundle: Type.String(), fetchedAt: time }),
    Type.Null(),
  ]),
  roles: Type.Array(Type.String(), { description: "names of the roles that the revision defines" }),
  lastError: Type.Union([
    Type.Object({ code: Type.String(), message: Type.String(), at: nullableTime }),
    Type.Null(),
  ]),
  refreshing: Type.Boolean({ description: "a fetch was asked for and has not ended" }),
  version,
});
export type Config = Wire<typeof configSchema>;

export const putSourceRequest = Type.Object(
  {
    url: Type.String({ minLength: 1, maxLength: 2048 }),
    ref: Type.Optional(Type.Union([Type.String({ minLength: 1, maxLength: 255 }), Type.Null()])),
  },
  closed,
);
