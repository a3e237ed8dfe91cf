/**
 * Who may speak to this agent: the members of the replicated inventory. A replica can be behind, and then the
 * leader itself may be a stranger to it, without whom it would stay behind for ever. So of peers that it does not
 * know, those count as members that the join answer named, and those that gossip holds for alive: a member brought
 * their signed record. An evicted one is refused whatever else is known.
 */
import { type PeerId } from "../base/ids.ts";
import { type InventoryView } from "../inventory/view.ts";
import { type Admission } from "../p2p/ports.ts";

export class InventoryAdmission implements Admission {
  readonly #view: InventoryView;
  readonly #introduced = new Set<PeerId>();
  #isVouchedFor: (peer: PeerId) => boolean = () => false;

  constructor(view: InventoryView) {
    this.#view = view;
  }

  introduce(peers: readonly PeerId[]): void {
    for (const peer of peers) this.#introduced.add(peer);
  }

  /** Another source of trust for peers that the replica does not know. */
  believe(isVouchedFor: (peer: PeerId) => boolean): void {
    this.#isVouchedFor = isVouchedFor;
  }

  isMember(peer: PeerId): boolean {
    const member = this.#view.member(peer);
    if (member !== null) return member.status === "admitted";
    return this.#introduced.has(peer) || this.#isVouchedFor(peer);
  }

  isEvicted(peer: PeerId): boolean {
    return this.#view.member(peer)?.status === "evicted";
  }
}
