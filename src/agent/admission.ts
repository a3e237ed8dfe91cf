/**
 * Who may speak to this agent: the members of the replicated inventory. An agent whose replica is still empty
 * trusts the peers that its join answer named; an evicted one is refused whatever else is known.
 */
import { type PeerId } from "../base/ids.ts";
import { type InventoryView } from "../inventory/view.ts";
import { type Admission } from "../p2p/ports.ts";

export class InventoryAdmission implements Admission {
  readonly #view: InventoryView;
  readonly #introduced = new Set<PeerId>();

  constructor(view: InventoryView) {
    this.#view = view;
  }

  introduce(peers: readonly PeerId[]): void {
    for (const peer of peers) this.#introduced.add(peer);
  }

  isMember(peer: PeerId): boolean {
    const member = this.#view.member(peer);
    if (member !== null) return member.status === "admitted";
    return this.#introduced.has(peer);
  }

  isEvicted(peer: PeerId): boolean {
    return this.#view.member(peer)?.status === "evicted";
  }
}
