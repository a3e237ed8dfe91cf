/**
 * What became of committed entries: equal results and equal states on all replicas at equal indexes, every request
 * carried out at most once, and what was acknowledged to a client is in the history.
 */
import { type Entry, EntryType, type Index, type NodeId } from "../../src/consensus/core/types.ts";
import { type StateMachine } from "../../src/consensus/driver/ports.ts";
import { decodeEnvelope } from "../../src/inventory/codec.ts";
import { type Command, type CommandResult, type Envelope } from "../../src/inventory/commands.ts";
import { require } from "./violation.ts";

interface Applied {
  readonly result: string;
  readonly command: Command | null;
}

/** States are compared at every such index, and wherever a snapshot was taken. */
const hashEvery = 128;

export class AppliedHistory {
  readonly #applied: (Applied | undefined)[] = [];
  readonly #carriedOut = new Map<string, Index>();
  readonly #hashes = new Map<Index, string>();

  /** A state machine of production that is watched. */
  watch(id: NodeId, machine: StateMachine<CommandResult>): StateMachine<CommandResult> {
    const check = (): void => this.#onState(id, machine.appliedIndex, machine.hash());
    const watched: StateMachine<CommandResult> = {
      apply: (entries) => {
        const results: (CommandResult | null)[] = [];
        for (const part of partsOf(entries)) {
          results.push(...machine.apply(part));
          if (machine.appliedIndex % hashEvery === 0) check();
        }
        entries.forEach((entry, i) => this.#onApplied(id, entry, results[i] ?? null));
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

  /** The command that was applied at `index`. */
  commandAt(index: Index): Command | null {
    return this.#applied[index]?.command ?? null;
  }

  #onApplied(id: NodeId, entry: Entry, result: CommandResult | null): void {
    const { index } = entry;
    const text = result === null ? "" : JSON.stringify(result);
    const known = this.#applied[index];
    if (known !== undefined) {
      require(known.result === text, () =>
        `${id} answers entry ${index} with ${text}, others with ${known.result}`);
      return;
    }
    const envelope = entry.type === EntryType.command ? envelopeOf(entry) : null;
    this.#applied[index] = { result: text, command: envelope?.command ?? null };
    if (envelope === null || envelope.origin === null || result?.ok !== true) return;
    const { agent, boot, seq } = envelope.origin;
    const origin = `${agent}/${boot}/${seq}`;
    const before = this.#carriedOut.get(origin);
    require(before === undefined || result.index === before, () =>
      `exactly once: request ${origin} was carried out at ${before ?? 0} and at ${result.index}`);
    this.#carriedOut.set(origin, result.index);
  }

  #onState(id: NodeId, index: Index, hash: string): void {
    const known = this.#hashes.get(index);
    require(known === undefined || known === hash, () => `${id}: another state at ${index}`);
    this.#hashes.set(index, hash);
  }
}

/** The entries, cut where states are compared. */
function partsOf(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const parts: (readonly Entry[])[] = [];
  let begin = 0;
  for (const [i, { index }] of entries.entries()) {
    if (index % hashEvery !== 0) continue;
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
