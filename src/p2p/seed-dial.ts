/**
 * Connects to an address whatever peer listens there. Noise proves who it is; the connection stays when it is a
 * member, and is closed as a stranger's otherwise.
 */
import { asPeerId, type PeerId } from "../base/ids.ts";
import { type HostPort, toMultiaddr } from "./address.ts";
import { withDeadline } from "./deadline.ts";
import { type MeshContext } from "./mesh-context.ts";

const dialMs = 10_000;

/** Who listens there. @throws what the dial failed with */
export async function dialSeed(
  address: HostPort,
  { host, clock }: Pick<MeshContext, "host" | "clock">,
  signal: AbortSignal,
): Promise<PeerId> {
  const limit = { clock, ms: dialMs, signal };
  const dial = (ends: AbortSignal) => host.dialAddress(toMultiaddr(address), ends);
  const connection = await withDeadline(limit, dial);
  return asPeerId(connection.remotePeer.toString());
}
