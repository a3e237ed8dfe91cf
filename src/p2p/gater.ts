/** libp2p's questions about who may connect, put to those who know. */
import { type ConnectionGater, type PeerId as Libp2pPeer } from "@libp2p/interface";
import { asPeerId } from "../base/ids.ts";
import { type InboundDoor } from "./inbound-door.ts";
import { type Admission } from "./ports.ts";
import { type Strangers } from "./strangers.ts";

export interface GaterDependencies {
  readonly admission: Admission;
  readonly strangers: Strangers;
  readonly door: InboundDoor;
}

export function createGater({ admission, strangers, door }: GaterDependencies): ConnectionGater {
  const isEvicted = (peer: Libp2pPeer): boolean => admission.isEvicted(asPeerId(peer.toString()));
  return {
    denyDialPeer: isEvicted,
    denyDialMultiaddr: () => false,
    denyOutboundEncryptedConnection: isEvicted,
    denyInboundConnection: (arrival) => door.refuses(arrival),
    denyInboundEncryptedConnection: (peer, arrival) => {
      const isRefused = strangers.refuses(asPeerId(peer.toString()));
      if (isRefused) door.turnedAway(arrival);
      return isRefused;
    },
    denyInboundUpgradedConnection: (_, arrival) => {
      door.opened(arrival);
      return false;
    },
  };
}
