/**
 * Whether the address that a newcomer gives can be connected to from here. A wrong one (another interface, NAT, a
 * firewall) harms nobody as long as the newcomer's own connections last, and is found out when it is needed: by then
 * nobody is there who could tell. Says nothing of who listens there.
 */
import { connect, isIP } from "node:net";
import { type HostPort } from "./address.ts";

/** A kernel that is reached answers within this. */
export const dialBackMs = 2_000;

/** @param cameFrom the host from which it connected. Never rejects. */
export function answersAt(
  { host, port }: HostPort,
  cameFrom: string,
  signal: AbortSignal,
): Promise<boolean> {
  // Loopback leads to this machine's own agent, whoever the newcomer is.
  if (isLoopback(host) && !isLoopback(cameFrom)) return Promise.resolve(false);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host, port, signal, timeout: dialBackMs });
  const give = (answers: boolean): void => {
    socket.destroy();
    resolve(answers);
  };
  socket.on("connect", () => give(true));
  socket.on("timeout", () => give(false));
  socket.on("error", () => give(false));
  return promise;
}

function isLoopback(host: string): boolean {
  const address = host.replace(/^::ffff:/i, "");
  return (
    host === "localhost" || host === "::1" || (isIP(address) === 4 && address.startsWith("127."))
  );
}
