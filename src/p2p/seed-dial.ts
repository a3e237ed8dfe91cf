/**
 * Connects to an address whatever peer listens there. Noise proves who it is; the connection stays when it is a
 * member, and is closed as a stranger's otherwise.
 */
import { requireHostPort, toMultiaddr } from "./address.ts";
import { withDeadline } from "./deadline.ts";
import { type MeshContext } from "./mesh-context.ts";

const dialMs = 10_000;

/** @throws AgentError ADDRESS_INVALID, or what the dial failed with. */
export async function dialSeed(
  seed: string,
  { host, clock }: Pick<MeshContext, "host" | "clock">,
  signal: AbortSignal,
): Promise<void> {
  const address = toMultiaddr(requireHostPort(seed));
  await withDeadline({ clock, ms: dialMs, signal }, (limit) => host.dialAddress(address, limit));
}
