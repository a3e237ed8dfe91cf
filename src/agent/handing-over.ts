/**
 * A leader does not preside over its own eviction. The moment it is applied nobody talks to the evicted agent any
 * more, so the other of two voters could never be elected, and the cluster would be lost. The leader hands over
 * first; whoever asked finds the new leader, as after any change.
 */
import { AgentError } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type ConsensusNode, type ConsensusStatus } from "../consensus/driver/api.ts";
import { ConsensusError } from "../consensus/errors.ts";
import { decodeEnvelope } from "../inventory/codec.ts";
import { type CommandResult } from "../inventory/commands.ts";
import { type InventoryView } from "../inventory/view.ts";

type Node = Pick<ConsensusNode<CommandResult>, "propose" | "transferLeadership"> & {
  status(): Pick<ConsensusStatus, "role" | "leader">;
};

const handOverMs = 3000;
/** Spares decoding every command a second time: no other one is of interest here. */
const forgets = Buffer.from("node.forget");

/** `propose`, but the eviction of this very agent is left to its successor. @throws AgentError CONFLICT too. */
export function handingOver(
  { self, view }: { readonly self: PeerId; readonly view: InventoryView },
  node: Node,
): Node["propose"] {
  return async (data, signal) => {
    if (node.status().role !== "leader" || !isOwnEviction(data, { self, view })) {
      return node.propose(data, signal);
    }
    if (await node.transferLeadership(null, handOverMs)) {
      const { leader } = node.status();
      const message = "This agent gave up leadership, as it is about to be evicted.";
      throw new ConsensusError("NOT_LEADER", message, { leader });
    }
    throw new AgentError(
      "CONFLICT",
      "Cannot forget the node that leads: no other agent could take over; wait until another one votes (muster status)",
    );
  };
}

/** False too for what the inventory would refuse: no reason to change the leader. */
function isOwnEviction(
  data: Uint8Array,
  { self, view }: { readonly self: PeerId; readonly view: InventoryView },
): boolean {
  if (!Buffer.from(data.buffer, data.byteOffset, data.byteLength).includes(forgets)) return false;
  const decoded = decodeEnvelope(data);
  if (!decoded.ok || decoded.envelope.command.type !== "node.forget") return false;
  const { node: name, force } = decoded.envelope.command;
  const node = view.node(name);
  if (node?.id !== self) return false;
  const isAlone = view.members().every(({ id, status }) => id === self || status !== "admitted");
  return !isAlone && (force || (node.job === null && node.phase === "decommissioned"));
}
