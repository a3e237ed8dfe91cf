/** Members as gossip shows them, for tests that need only some of their fields. */
import { type MemberView } from "../../src/gossip/ports.ts";
import { peer } from "./inventory.ts";

export function memberView(parts: Partial<MemberView> & { readonly name: string }): MemberView {
  return {
    id: peer(parts.name),
    address: "10.0.0.1:7700",
    status: "alive",
    incarnation: 1,
    bootId: "b",
    rttMs: 1,
    tags: {},
    since: 0,
    ...parts,
  };
}
