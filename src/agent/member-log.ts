/** What this agent believes of the others, in its log as it changes: the first thing one reads after a night. */
import { type Logger } from "../base/logger.ts";
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
const quiet: readonly MemberEvent["kind"][] = ["suspect", "update", "reap"];

export function logMembers(gossip: Pick<GossipNode, "onEvent">, logger: Logger): void {
  gossip.onEvent((event) => {
    const level = quiet.includes(event.kind) ? "debug" : "info";
    if (event.kind === "reap") {
      logger[level]({ peer: event.id }, "member forgotten after its time");
      return;
    }
    const { name, address, incarnation } = event.member;
    logger[level]({ member: name, address, incarnation }, texts[event.kind]);
  });
}
