/** Tokens: made here, stored as a hash, shown once. */
import { rfc3339 } from "../../base/clock.ts";
import { parseDuration } from "../../base/duration.ts";
import { isJsonObject } from "../../base/json.ts";
import { type BodyOf } from "../contract/routes.ts";
import { expectation, type Handlers, write } from "../handler.ts";
import { ApiError } from "../problems.ts";
import { toToken } from "../views/config.ts";

const day = 24 * 3_600_000;
/** A join token admits one machine within a day unless more is asked for; an API token does not expire. */
const joinDefaults = { uses: 1, ttlMs: day } as const;

export const tokenHandlers: Handlers<"createToken" | "listTokens" | "revokeToken"> = {
  createToken: async (request, context) => {
    const { id, token, verifier } = context.newToken(request.body.kind);
    const shape = tokenShape(request.body);
    const result = await write(context, request, { type: "token.create", id, verifier, ...shape });
    const stored = isJsonObject(result.value) ? result.value["id"] : undefined;
    const record = context.view.token(id);
    if (record === null || (typeof stored === "string" && stored !== id)) {
      const message =
        "This request was carried out before, and its token was shown then; revoke that one and create another";
      throw new ApiError("TOKEN_SHOWN", message, typeof stored === "string" ? { id: stored } : {});
    }
    const expiresAt = record.expiresAt === null ? null : rfc3339(record.expiresAt);
    return { value: { id, token, expiresAt }, version: record.version };
  },

  listTokens: (_, { view }) => ({ value: { items: view.tokens().map(toToken), next: null } }),

  revokeToken: async (request, context) => {
    const { id } = request.params;
    await write(context, request, { type: "token.revoke", id, ...expectation(request) });
    return { value: undefined };
  },
};

function tokenShape(body: BodyOf<"createToken">) {
  const { kind, name = null } = body;
  const ttlMs = body.ttl === undefined ? null : parseDuration(body.ttl);
  if (ttlMs === 0) throw new ApiError("INVALID_REQUEST", '"ttl" must be longer than 0');
  if (kind === "join") {
    if (body.role !== undefined) {
      throw new ApiError("INVALID_REQUEST", 'A join token has no "role"; it admits an agent');
    }
    const uses = body.uses ?? joinDefaults.uses;
    return { kind, role: null, name, uses, ttlMs: ttlMs ?? joinDefaults.ttlMs } as const;
  }
  if (body.uses !== undefined) {
    throw new ApiError("INVALID_REQUEST", 'An API token has no "uses"; limit it with "ttl"');
  }
  return { kind, role: body.role ?? "reader", name, uses: null, ttlMs } as const;
}
