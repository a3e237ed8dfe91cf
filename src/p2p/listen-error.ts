/** Why listening failed, for the operator: libp2p folds the system error into the text of its own. */
import { AgentError, errorMessage } from "../base/errors.ts";
import { P2pCode } from "./errors.ts";

export function listenError(listen: string, cause: unknown): AgentError {
  const reason = errorMessage(cause);
  const details = { listen };
  if (reason.includes("EADDRINUSE")) {
    const text =
      `Could not listen for peers on ${listen}: the port is in use. Stop the other process ` +
      `(find it with: ss -ltnp) or give another address with --listen.`;
    return new AgentError(P2pCode.portInUse, text, details, { cause });
  }
  const hint = reason.includes("EADDRNOTAVAIL")
    ? "no network interface of this host has that address"
    : reason.includes("EACCES")
      ? "ports below 1024 need more rights"
      : reason.trim();
  const text = `Could not listen for peers on ${listen}: ${hint}. Give another address with --listen.`;
  return new AgentError(P2pCode.listenFailed, text, details, { cause });
}
