/**
 * Whether the address that a newcomer gives can be connected to from here. A wrong one (another interface, NAT, a
 * firewall) harms nobody as long as the newcomer's own connections last, and is found out when it is needed: by then
 * nobody is there who could tell. Says nothing of who listens there.
 */
import { BlockList, connect, isIP } from "node:net";
import { type Clock } from "../base/clock.ts";
import { type HostPort } from "./address.ts";

/** A kernel that is reached answers within this. */
const dialBackMs = 2_000;

export interface Caller {
  /** The host from which it connected. */
  readonly cameFrom: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Never rejects. */
export function answersAt(
  { host, port }: HostPort,
  { cameFrom, clock, signal }: Caller,
): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ host, port, signal });
  const give = (answers: boolean): void => {
    disarm();
    socket.destroy();
    resolve(answers);
  };
  // Not the socket's own timer, which on a busy machine runs before the answer that came meanwhile is read.
  const disarm = clock.setTimer(dialBackMs, () => give(false));
  // Loopback, however it is written, leads to this machine's own agent, whoever the newcomer is.
  socket.on("connect", () => give(isOwn(cameFrom) || !isOwn(socket.remoteAddress ?? "")));
  socket.on("error", () => give(false));
  return promise;
}

/** Loopback, and what the kernel takes for it; also as IPv6 writes an IPv4 address. */
const own = new BlockList();
own.addSubnet("127.0.0.0", 8, "ipv4");
own.addSubnet("0.0.0.0", 8, "ipv4");
own.addAddress("::1", "ipv6");
own.addAddress("::", "ipv6");

function isOwn(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && own.check(address, family === 6 ? "ipv6" : "ipv4");
}
