/**
 * G11: a provisional generation decides nothing about a node that it left behind, until the node was seen in it or the
 * generation is settled. The observer goes by entries, the path of generations and what was applied on it; and by where
 * the node's own agent was.
 */
import { type Index, type NodeId } from "../../src/consensus/core/types.ts";
import { isProvisional } from "../../src/consensus/lineage/generation.ts";
import { type Command } from "../../src/inventory/commands.ts";
import { type History } from "./chronicle.ts";
import { require } from "./violation.ts";

interface Place {
  readonly history: History;
  readonly index: Index;
}

export class HeldNodes {
  readonly #wasIn: (node: NodeId, history: History) => boolean;
  readonly #settled = new Map<string, Place[]>();
  readonly #seen = new Map<NodeId, Place[]>();
  /** Where the history of a generation was merged. */
  readonly #merged = new Map<string, Place[]>();
  readonly #parents = new Map<string, string>();

  constructor(wasIn: (node: NodeId, history: History) => boolean) {
    this.#wasIn = wasIn;
  }

  /** In the order of the log of `path`, whose agents have the ids of their nodes. */
  onApplied(command: Command, path: History, index: Index): void {
    const place = { history: path.ownerOf(index), index };
    if (command.type === "generation.settled") add(this.#settled, command.id, place);
    if (command.type === "generation.begin" && command.generation.parent !== null) {
      this.#parents.set(command.generation.id, command.generation.parent);
    }
    if (command.type === "merge.page") {
      for (const id of this.#asideOf(path, command.generation.id)) add(this.#merged, id, place);
      // Who gives over what its side wrote is here.
      for (const id of command.members) add(this.#seen, id, place);
    }
    // Who joins is here.
    if (command.type === "member.admit") add(this.#seen, command.id, place);
    if (command.type === "node.reachability") {
      for (const { id, reachability } of command.changes) {
        if (reachability === "reachable") add(this.#seen, id, place);
      }
    }
    const node = decidedBy(command);
    if (node === null) return;
    // What was decided before a fork, and is committed behind it, is not the generation's.
    let from = Infinity;
    let isIn = false;
    for (let one: History | null = path.writerOf(index); one !== null; one = one.parent) {
      const { generation } = one;
      // A later fork can lie before an earlier one.
      from = Math.min(from, generation.forkIndex);
      isIn ||= this.#wasIn(node, one);
      if (isIn || generation.members.includes(node)) return;
      if (!isProvisional(generation) || !generation.lost.includes(node)) continue;
      const isAfter = ({ history, index: at }: Place): boolean =>
        at > from && at < index && path.holds(history, at);
      const isSettled = (this.#settled.get(generation.id) ?? []).some(isAfter);
      // What the losing side saw comes with its merge.
      const isBrought = (at: Place): boolean =>
        (this.#merged.get(at.history.generation.id) ?? []).some(isAfter);
      const seen = this.#seen.get(node) ?? [];
      const isSeen = seen.some((at) => isAfter(at) || isBrought(at));
      require(isSettled || isSeen, () =>
        `G11: ${command.type} at ${index} decides about ${node}, which generation ${generation.n} left behind`);
    }
  }

  /** The generation and those that led to it, as far as they are not of this path: what is merged is of all of them. */
  #asideOf(path: History, merged: string): readonly string[] {
    const own = new Set<string>();
    for (let one: History | null = path; one !== null; one = one.parent) own.add(one.generation.id);
    const aside: string[] = [];
    for (
      let id: string | undefined = merged;
      id !== undefined && !own.has(id);
      id = this.#parents.get(id)
    ) {
      aside.push(id);
    }
    return aside;
  }
}

/** The node that a command of the controller takes, sets to work or gives up. */
function decidedBy(command: Command): NodeId | null {
  switch (command.type) {
    case "job.node.begin":
    case "run.begin":
      return command.node;
    case "run.finish":
      return command.result.outcome === "lost" ? command.node : null;
    default:
      return null;
  }
}

function add(places: Map<string, Place[]>, key: string, place: Place): void {
  places.set(key, [...(places.get(key) ?? []), place]);
}
