/** Tokens: made once, revoked once. Only the SHA-256 of a secret is ever here. */
import { type CommandType } from "./commands.ts";
import { type CommandOf } from "./command-shapes.ts";
import { type Draft } from "./draft.ts";
import { type Handlers, type Outcome, done, invalid, notFound, refuse } from "./outcome.ts";
import { type TokenRecord } from "./records.ts";
import { checkName, checkPattern, checkText } from "./names.ts";
import { limits } from "./limits.ts";
import { versionRefusal } from "./outcome.ts";

export const tokenHandlers: Handlers<Extract<CommandType, "token.create" | "token.revoke">> = {
  "token.create": createToken,
  "token.revoke": revokeToken,
};

function createToken(draft: Draft, command: CommandOf<"token.create">): Outcome {
  const { id, kind, verifier, role, name, uses, ttlMs } = command;
  if (draft.view.token(id) !== null) {
    return refuse("ALREADY_EXISTS", `There is already a token "${id}"`);
  }
  const problem = tokenProblem(command);
  if (problem !== null) return invalid("create the token", problem);
  dropDeadTokens(draft);
  if (draft.view.tokens().length >= limits.tokens) {
    return refuse("LIMIT", `There are ${limits.tokens} tokens; revoke some`);
  }
  const expiresAt = ttlMs === null ? null : draft.at + ttlMs;
  draft.put("token", id, {
    id,
    kind,
    verifier,
    role: kind === "api" ? role : null,
    name,
    usesLeft: uses,
    createdAt: draft.at,
    createdBy: draft.by,
    expiresAt,
    revokedAt: null,
    usedBy: [],
  });
  draft.emit("token.created", `token/${id}`, `${kind} token "${id}" created`, { kind, expiresAt });
  return done({ id, expiresAt });
}

function tokenProblem(command: CommandOf<"token.create">): string | null {
  const { id, kind, verifier, role, name, uses, ttlMs } = command;
  if (kind === "api" && role === null) return "an API token needs a role, admin or reader";
  if (uses === 0) return "it has no uses; give at least 1";
  if (ttlMs !== null && (ttlMs <= 0 || ttlMs > limits.tokenTtlMs)) {
    return `it would live ${ttlMs} ms; give more than 0 and at most 10 years`;
  }
  const nameProblem =
    name === null
      ? null
      : kind === "join"
        ? checkName("node", name)
        : checkText("name", name, limits.nameLength);
  return (
    checkName("token id", id) ?? checkPattern("verifier", verifier, /^[0-9a-f]{64}$/) ?? nameProblem
  );
}

/** True when nobody can use the token any more. */
export function isDead(token: TokenRecord, at: number): boolean {
  const expired = token.expiresAt !== null && token.expiresAt <= at;
  return token.revokedAt !== null || expired || token.usesLeft === 0;
}

export function dropDeadTokens(draft: Draft): void {
  const dead = draft.view.tokens().filter((token) => isDead(token, draft.at));
  const excess = dead.length - limits.deadTokens;
  if (excess <= 0) return;
  const oldest = dead.toSorted((a, b) => a.version - b.version || (a.id < b.id ? -1 : 1));
  for (const { id } of oldest.slice(0, excess)) draft.delete("token", id);
}

function revokeToken(draft: Draft, { id, ifVersion }: CommandOf<"token.revoke">): Outcome {
  const token = draft.view.token(id);
  if (token === null) return notFound("token", id);
  const stale = versionRefusal(`token "${id}"`, ifVersion, token.version);
  if (stale !== null) return stale;
  if (token.revokedAt === null) {
    draft.put("token", id, { ...token, revokedAt: draft.at });
    draft.emit("token.revoked", `token/${id}`, `${token.kind} token "${id}" revoked`);
  }
  return done({ id });
}
