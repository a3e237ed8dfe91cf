/**
 * A leader does not preside over its own eviction. The moment it is applied nobody talks to the evicted agent any
 * more, so the other of two voters could never be elected, and the cluster would be lost. The leader hands over
 * first; whoever asked finds the new leader, as after any change. Nor does it evict a voter whose vote it needs.
 */
import { AgentError } from "../base/errors.ts";
import { asPeerId, type PeerId } from "../base/ids.ts";
import { isVoter, voterIds } from "../consensus/core/configuration.ts";
import { type ConsensusNode, type ConsensusStatus } from "../consensus/driver/api.ts";
import { ConsensusError } from "../consensus/errors.ts";
import { decodeEnvelope } from "../inventory/codec.ts";
import { type CommandResult } from "../inventory/commands.ts";
import { type InventoryView } from "../inventory/view.ts";

type Node = Pick<ConsensusNode<CommandResult>, "propose" | "transferLeadership"> & {
  readonly tickMs: number;
  status(): Pick<ConsensusStatus, "role" | "leader" | "effective" | "peers">;
};

const handOverMs = 3000;
/** A voter that did not acknowledge for so long is not counted on. */
const silentMs = 3000;
/** Spares decoding every command a second time: no other one is of interest here. */
const forgets = Buffer.from("node.forget");

/** `propose`, but the eviction of this very agent is left to its successor. @throws AgentError CONFLICT too. */
export function handingOver(
  { self, view }: { readonly self: PeerId; readonly view: InventoryView },
  node: Node,
): Node["propose"] {
  return (data, signal) => {
    // The usual case costs a look at the bytes: neither a status nor a promise of its own.
    const evicted = evictedBy(data, view);
    return evicted === null ? node.propose(data, signal) : proposeEviction(evicted, data, signal);
  };

  async function proposeEviction(
    evicted: PeerId,
    data: Uint8Array,
    signal?: AbortSignal,
  ): ReturnType<Node["propose"]> {
    if (node.status().role !== "leader") return node.propose(data, signal);
    if (evicted !== self) refuseLostQuorum(evicted, { self, view }, node);
    if (evicted !== self) return node.propose(data, signal);
    if (await node.transferLeadership(null, handOverMs)) {
      const { leader } = node.status();
      const message = "This agent gave up leadership, as it is about to be evicted.";
      throw new ConsensusError("NOT_LEADER", message, { leader });
    }
    throw new AgentError(
      "CONFLICT",
      "Cannot forget the node that leads: no other agent could take over; wait until another one votes (muster status)",
    );
  }
}

/**
 * Nobody talks to an evicted agent any more, so its vote is gone at once, before the configuration says so. While
 * another voter is silent and not yet demoted, that vote may be the one that the majority needs.
 */
function refuseLostQuorum(
  evicted: PeerId,
  { self, view }: { readonly self: PeerId; readonly view: InventoryView },
  node: Pick<Node, "tickMs" | "status">,
): void {
  const { effective, peers } = node.status();
  if (!isVoter(effective, evicted)) return;
  const rest = voterIds(effective).filter((id) => id !== evicted);
  const silent = rest.filter(
    (id) => id !== self && (peers.get(id)?.ticksSinceAck ?? Infinity) * node.tickMs > silentMs,
  );
  if ((rest.length - silent.length) * 2 > rest.length) return;
  const name = (id: string): string => view.member(asPeerId(id))?.node ?? id;
  throw new AgentError(
    "CONFLICT",
    `Cannot forget node "${name(evicted)}" now: ${silent.map(name).join(", ")} does not answer, so its vote is needed; wait until muster status shows the silent one no more among the voters, or start it`,
    { silent: silent.map(name) },
  );
}

/** Whom the entry evicts. Null too for what the inventory would refuse: no reason to change anything. */
function evictedBy(data: Uint8Array, view: InventoryView): PeerId | null {
  if (!Buffer.from(data.buffer, data.byteOffset, data.byteLength).includes(forgets)) return null;
  const decoded = decodeEnvelope(data);
  if (!decoded.ok || decoded.envelope.command.type !== "node.forget") return null;
  const { node: name, force } = decoded.envelope.command;
  const node = view.node(name);
  if (node === null) return null;
  const { id } = node;
  const isLast = view.members().every((one) => one.id === id || one.status !== "admitted");
  const isLegal = force || (node.job === null && node.phase === "decommissioned");
  return !isLast && isLegal ? id : null;
}
