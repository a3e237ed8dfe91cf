/** Join and API tokens. The secret is in the answer to the creation, and nowhere else. */
import { Type } from "typebox";
import {
  closed,
  duration,
  name,
  nullableInteger,
  nullableString,
  nullableTime,
  page,
  time,
  version,
  type Wire,
} from "./wire.ts";

const kind = Type.Enum(["join", "api"]);
const tokenRole = Type.Enum(["admin", "reader"]);

export const createTokenRequest = Type.Object(
  {
    kind,
    role: Type.Optional(tokenRole),
    uses: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
    ttl: Type.Optional(duration),
    name: Type.Optional(name),
  },
  closed,
);
export const createdTokenSchema = Type.Object({
  id: Type.String(),
  token: Type.String({ description: "the secret: shown this once" }),
  expiresAt: nullableTime,
});
export type CreatedToken = Wire<typeof createdTokenSchema>;

export const tokenSchema = Type.Object({
  id: Type.String(),
  kind,
  role: Type.Union([tokenRole, Type.Null()]),
  name: nullableString,
  usesLeft: nullableInteger,
  createdAt: time,
  createdBy: Type.String(),
  expiresAt: nullableTime,
  revokedAt: nullableTime,
  usedBy: Type.Array(Type.String()),
  version,
});
export type Token = Wire<typeof tokenSchema>;
export const tokensSchema = page(tokenSchema);
