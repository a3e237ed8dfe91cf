/** Asks one member whether this agent still is one. The connection that there is will do; else one is dialed. */
import { AgentError } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { withDeadline } from "./deadline.ts";
import { P2pCode } from "./errors.ts";
import { FrameChannel } from "./frame-channel.ts";
import { type MeshContext } from "./mesh-context.ts";
import { Protocol } from "./protocols.ts";
import {
  decodeStanding,
  encodeStandingQuestion,
  maxStandingFrame,
  type Standing,
} from "./standing-wire.ts";

const askMs = 5_000;

/** @throws AgentError PEER_UNREACHABLE, or what the peer refused with; the signal's reason */
export async function askStanding(
  peer: PeerId,
  { host, clock, clusterId }: Pick<MeshContext, "host" | "clock" | "clusterId">,
  signal: AbortSignal,
): Promise<Standing> {
  const cluster = clusterId();
  if (cluster === null) throw new AgentError(P2pCode.joinFailed, "This agent has no cluster.");
  return withDeadline({ clock, ms: askMs, signal }, async (ends) => {
    const stream = await host.openStream(peer, Protocol.join, ends);
    const channel = new FrameChannel(stream, { maxFrameBytes: maxStandingFrame, maxUnread: 1 });
    try {
      channel.write(encodeStandingQuestion(cluster));
      return decodeStanding(await channel.read(ends));
    } finally {
      channel.end(clock);
    }
  });
}
