/**
 * What became of committed entries: equal results and equal states on all replicas at equal indexes, every request
 * carried out at most once, and what was acknowledged to a client is in the history.
 */
import { type Entry, EntryType, type Index, type NodeId } from "../../src/consensus/core/types.ts";
import { type StateMachine } from "../../src/consensus/driver/ports.ts";
import { decodeEnvelope } from "../../src/inventory/codec.ts";
import { type Command, type CommandResult, type Envelope } from "../../src/inventory/commands.ts";
import { type InventoryView } from "../../src/inventory/view.ts";
import { type History } from "./chronicle.ts";
import { HeldNodes } from "./held-nodes.ts";
import { type Ledger } from "./ledger.ts";
import { require } from "./violation.ts";

interface Applied {
  readonly result: string;
  readonly command: Command | null;
}

/** States are compared at every such index, and wherever a snapshot was taken. */
const hashEvery = 128;

/** The entries of one generation, as they were applied. */
class Chapter {
  readonly applied: (Applied | undefined)[] = [];
  readonly carriedOut = new Map<string, Index>();
  readonly hashes = new Map<Index, string>();
}

type Machine = StateMachine<CommandResult> & { readonly view: InventoryView };

/** Where a replica is. Not `confirmed`: it is frozen, and applies what may never be committed. */
export interface Standing {
  readonly history: History;
  readonly confirmed: boolean;
}

export interface Replica {
  readonly id: NodeId;
  readonly standing: () => Standing;
}

export class AppliedHistory {
  readonly #chapters = new Map<History, Chapter>();
  readonly #ledger: Ledger;
  readonly #heldNodes: HeldNodes;

  /** @param wasIn was the agent of this id ever in that history? */
  constructor(ledger: Ledger, wasIn: (id: NodeId, history: History) => boolean) {
    this.#ledger = ledger;
    this.#heldNodes = new HeldNodes(wasIn);
  }

  /** A state machine of production that is watched. */
  watch({ id, standing }: Replica, machine: Machine): StateMachine<CommandResult> {
    const check = (): void => {
      const { history: path, confirmed } = standing();
      if (confirmed) this.#onState({ id, path }, machine.appliedIndex, machine.hash());
    };
    const watched: StateMachine<CommandResult> = {
      apply: (entries) => {
        const { history: path, confirmed } = standing();
        if (!confirmed) return this.#applyLast(entries, path, machine);
        const results: (CommandResult | null)[] = [];
        for (const part of partsOf(entries)) {
          const some = machine.apply(part);
          part.forEach((entry, i) =>
            this.#onApplied({ id, path, machine }, entry, some[i] ?? null),
          );
          results.push(...some);
          if (machine.appliedIndex % hashEvery === 0) check();
        }
        return results;
      },
      get appliedIndex() {
        return machine.appliedIndex;
      },
      snapshot: () => {
        check();
        return machine.snapshot();
      },
      restore: async (bytes, index) => {
        await machine.restore(bytes, index);
        check();
      },
      hash: () => machine.hash(),
    };
    return watched;
  }

  /** The command that was applied at `index` on this path. */
  commandAt(path: History, index: Index): Command | null {
    return this.#chapter(path.ownerOf(index)).applied[index]?.command ?? null;
  }

  #applyLast(
    entries: readonly Entry[],
    history: History,
    machine: Machine,
  ): readonly (CommandResult | null)[] {
    const results = machine.apply(entries);
    entries.forEach((entry, i) => {
      const command = entry.type === EntryType.command ? envelopeOf(entry)?.command : undefined;
      if (command?.type !== "var.put" || results[i]?.ok !== true) return;
      const at = { history, index: entry.index };
      this.#ledger.appliedLast(command.key, String(command.value), at);
    });
    return results;
  }

  #chapter(history: History): Chapter {
    const known = this.#chapters.get(history) ?? new Chapter();
    this.#chapters.set(history, known);
    return known;
  }

  #onApplied(
    {
      id,
      path,
      machine,
    }: { readonly id: NodeId; readonly path: History; readonly machine: Machine },
    entry: Entry,
    result: CommandResult | null,
  ): void {
    const { index } = entry;
    const text = result === null ? "" : JSON.stringify(result);
    const history = path.ownerOf(index);
    const { applied, carriedOut } = this.#chapter(history);
    const known = applied[index];
    if (known !== undefined) {
      require(known.result === text, () =>
        `${id} answers entry ${index} with ${text}, others with ${known.result}`);
      return;
    }
    const envelope = entry.type === EntryType.command ? envelopeOf(entry) : null;
    applied[index] = { result: text, command: envelope?.command ?? null };
    if (envelope === null || result?.ok !== true) return;
    const { command } = envelope;
    // A repetition was decided where it was asked for first.
    if (result.index === index) this.#heldNodes.onApplied(command, path, index);
    const at = { history, index };
    if (command.type === "merge.page") this.#ledger.merged(machine.view, at, command.forkIndex);
    if (command.type === "var.put" && result.index === index) {
      this.#ledger.applied(command.key, String(command.value), at);
    }
    if (envelope.origin === null) return;
    const { agent, boot, seq } = envelope.origin;
    const origin = `${agent}/${boot}/${seq}`;
    const before = this.#carriedOut(path, origin);
    require(before === undefined || result.index === before, () =>
      `exactly once: request ${origin} was carried out at ${before ?? 0} and at ${result.index}`);
    carriedOut.set(origin, result.index);
  }

  /** Where it was carried out on this path. */
  #carriedOut(path: History, origin: string): Index | undefined {
    for (let one: History | null = path; one !== null; one = one.parent) {
      const index = this.#chapters.get(one)?.carriedOut.get(origin);
      if (index !== undefined && path.holds(one, index)) return index;
    }
    return undefined;
  }

  #onState(
    { id, path }: { readonly id: NodeId; readonly path: History },
    index: Index,
    hash: string,
  ): void {
    const { hashes } = this.#chapter(path.ownerOf(index));
    const known = hashes.get(index);
    require(known === undefined || known === hash, () => `${id}: another state at ${index}`);
    hashes.set(index, hash);
  }
}

/** What no other command says: it is looked at alone, as the state behind it tells what it did. */
const mergePage = Buffer.from("merge.page");

/** The entries, cut where states are compared. */
function partsOf(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const parts: (readonly Entry[])[] = [];
  let begin = 0;
  for (const [i, { index, data }] of entries.entries()) {
    const cut =
      index % hashEvery === 0 ||
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).includes(mergePage);
    if (!cut) continue;
    parts.push(entries.slice(begin, i + 1));
    begin = i + 1;
  }
  if (begin < entries.length) parts.push(begin === 0 ? entries : entries.slice(begin));
  return parts;
}

function envelopeOf(entry: Entry): Envelope | null {
  const decoded = decodeEnvelope(entry.data);
  return decoded.ok ? decoded.envelope : null;
}
