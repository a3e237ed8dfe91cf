/** Why a server cannot start. */
import { AgentError } from "../base/errors.ts";

/**
 * - `SOCKET_IN_USE`: a live process listens on the unix socket.
 * - `SOCKET_PATH_TAKEN`: the path is something else than a socket, or too long, or its folder is missing.
 * - `INSECURE_LISTEN`: an address other machines can reach, without TLS.
 * - `LISTEN_FAILED`: the address cannot be listened on.
 * - `TLS_INVALID`: certificate or key cannot be used.
 */
export type ServerCode =
  | "SOCKET_IN_USE"
  | "SOCKET_PATH_TAKEN"
  | "INSECURE_LISTEN"
  | "LISTEN_FAILED"
  | "TLS_INVALID";

export class ServerError extends AgentError<ServerCode> {}
