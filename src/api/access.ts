/** Who may call what. The unix socket is the operator's own; over the network a bearer token says who it is. */
import { type ApiContext, type Caller } from "./context.ts";
import { type Access } from "./contract/endpoints.ts";
import { ApiError } from "./problems.ts";

/** `local`: reaching the socket is the proof. `token`: a bearer token is. */
export type Proof = "local" | "token";

const operator: Caller = { actor: "operator", role: "admin" };
const nobody: Caller = { actor: "anonymous", role: "reader" };
const longestToken = 512;

/** @throws ApiError UNAUTHENTICATED, FORBIDDEN. */
export function authorize(
  context: ApiContext,
  request: { readonly proof: Proof; readonly header: string | undefined; readonly access: Access },
): Caller {
  if (request.proof === "local") return operator;
  if (request.access === "none") return nobody;
  const token = /^Bearer +([\x21-\x7e]+)$/i.exec(request.header ?? "")?.[1];
  if (token === undefined || token.length > longestToken) {
    throw new ApiError("UNAUTHENTICATED", "A token is needed: Authorization: Bearer TOKEN");
  }
  const caller = context.authenticate(token);
  if (caller === null) {
    throw new ApiError("UNAUTHENTICATED", "The token is unknown, revoked or expired");
  }
  if (request.access === "admin" && caller.role !== "admin") {
    throw new ApiError("FORBIDDEN", "This token may only read; an admin token is needed");
  }
  return caller;
}
