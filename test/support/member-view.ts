/** A member as gossip shows it, alive and well unless told otherwise. */
import { asPeerId } from "../../src/base/ids.ts";
import { type MemberView } from "../../src/gossip/ports.ts";

export function memberView(changes: Partial<MemberView> & { readonly name: string }): MemberView {
  return {
    id: asPeerId(`peer-${changes.name}`),
    address: "10.0.0.1:7700",
    status: "alive",
    incarnation: 1,
    bootId: "b",
    rttMs: null,
    lane: null,
    degraded: false,
    datagrams: false,
    datagramsPass: null,
    protocol: { min: 1, max: 1 },
    tags: {},
    since: 0,
    ...changes,
  };
}
