/** What this agent believes of the others, in its log as it changes: the first thing one reads after a night. */
import { type Logger } from "../base/logger.ts";
import { type PeerId } from "../base/ids.ts";
import { type GossipNode, type MemberEvent } from "../gossip/ports.ts";

const texts = {
  join: "member joined",
  alive: "member is alive again",
  suspect: "member is suspected to have failed",
  failed: "member failed",
  left: "member left",
  update: "member changed its record",
} as const satisfies Record<Exclude<MemberEvent["kind"], "reap">, string>;

/** Suspicions come and go in silence at the default level: most are refuted within a second. */
const quiet: readonly MemberEvent["kind"][] = ["suspect", "update"];

export function logMembers(gossip: Pick<GossipNode, "onEvent">, logger: Logger): void {
  const suspects = new Set<PeerId>();
  gossip.onEvent((event) => {
    if (event.kind === "reap") {
      logger.debug({ peer: event.id }, "member forgotten after its time");
      return;
    }
    const { id, name, address, incarnation } = event.member;
    // Who was only suspected was never reported to be away, and so does not come back.
    const wasSuspect = suspects.delete(id);
    if (event.kind === "suspect") suspects.add(id);
    const isDenial = event.kind === "alive" && wasSuspect;
    const level = isDenial || quiet.includes(event.kind) ? "debug" : "info";
    logger[level]({ member: name, address, incarnation }, texts[event.kind]);
  });
}
