/**
 * The inventory as consensus drives it: entries in, results out, snapshots both ways. Listeners hear of each
 * batch after all of it is applied.
 */
import { type Entry, type Index, EntryType } from "../consensus/core/types.ts";
import { type AppliedListener, type InventoryView } from "./view.ts";
import { type CommandResult } from "./commands.ts";
import { type EventRecord } from "./records.ts";
import { type Logger } from "../base/logger.ts";
import { type StoredRecord } from "./record-types.ts";
import { type StateMachine } from "../consensus/driver/ports.ts";
import { InventoryError } from "./errors.ts";
import { InventoryState } from "./state.ts";
import { StateHasher } from "./state-hash.ts";
import { assert } from "../base/assert.ts";
import { decodeEnvelope, undecodable } from "./codec.ts";
import { decodeSnapshot, encodeSnapshot } from "./snapshot.ts";
import { errorMessage } from "../base/errors.ts";
import { reduce } from "./reducer.ts";

/** Called with the events of a batch, in order; never with none. Must return quickly. */
export type EventsListener = (events: readonly EventRecord[]) => void;

export class InventoryStateMachine implements StateMachine<CommandResult> {
  readonly #state = new InventoryState();
  readonly #hasher = new StateHasher();
  readonly #logger: Logger;
  readonly #onApplied = new Set<AppliedListener>();
  readonly #onEvents = new Set<EventsListener>();

  constructor(dependencies: { readonly logger: Logger }) {
    this.#logger = dependencies.logger;
  }

  /** The replica: stays the same object for ever, also across a restore. */
  get view(): InventoryView {
    return this.#state;
  }

  get appliedIndex(): Index {
    return this.#state.appliedIndex;
  }

  /**
   * @throws InventoryError SCHEMA_TOO_NEW on an entry that only a newer agent can apply: going on would make
   *   this replica differ from the others. Entries before it stay applied.
   */
  apply(entries: readonly Entry[]): readonly (CommandResult | null)[] {
    const events: EventRecord[] = [];
    const results = entries.map((entry) => this.#applyEntry(entry, events));
    if (entries.length > 0) this.#notify(events);
    return results;
  }

  snapshot(): { readonly index: Index; readonly bytes: AsyncIterable<Uint8Array> } {
    const index = this.#state.appliedIndex;
    return { index, bytes: encodeSnapshot(this.#state.image(), index) };
  }

  /**
   * Replaces the whole state, or leaves it as it is when the bytes are bad.
   * @throws InventoryError SCHEMA_TOO_NEW, SNAPSHOT_INVALID.
   */
  async restore(bytes: AsyncIterable<Uint8Array>, index: Index): Promise<void> {
    this.#state.adopt(await decodeSnapshot(bytes, index));
    this.#notify([]);
  }

  /** Every record there is now; later entries do not touch the answer. */
  image(): readonly StoredRecord[] {
    return this.#state.image();
  }

  hash(): string {
    return this.#hasher.hash(this.#state);
  }

  onApplied(listener: AppliedListener): () => void {
    this.#onApplied.add(listener);
    return () => this.#onApplied.delete(listener);
  }

  /** As `onApplied`, but not after a batch that wrote nothing but variables and what every command leaves. */
  onChanged(listener: AppliedListener): () => void {
    let seen = this.#state.changes;
    return this.onApplied((index) => {
      const { changes } = this.#state;
      if (changes === seen) return;
      seen = changes;
      listener(index);
    });
  }

  onEvents(listener: EventsListener): () => void {
    this.#onEvents.add(listener);
    return () => this.#onEvents.delete(listener);
  }

  #applyEntry({ index, type, data }: Entry, events: EventRecord[]): CommandResult | null {
    assert(index === this.#state.appliedIndex + 1, "entries are applied in order, without a gap");
    const result = type === EntryType.command ? this.#applyCommand(index, data, events) : null;
    this.#state.appliedIndex = index;
    return result;
  }

  #applyCommand(index: Index, data: Uint8Array, events: EventRecord[]): CommandResult {
    const decoded = decodeEnvelope(data);
    if (decoded.ok) {
      const reduced = reduce(this.#state, decoded.envelope, index);
      events.push(...reduced.events);
      return reduced.result;
    }
    if (decoded.code === "SCHEMA_TOO_NEW") {
      throw new InventoryError("SCHEMA_TOO_NEW", decoded.message, { index });
    }
    this.#logger.warn({ index, reason: decoded.message }, "committed entry is no command; ignored");
    return undecodable(index, decoded.message);
  }

  #notify(events: readonly EventRecord[]): void {
    if (events.length > 0) {
      for (const listener of this.#onEvents) this.#guard(() => listener(events));
    }
    const index = this.#state.appliedIndex;
    for (const listener of this.#onApplied) this.#guard(() => listener(index));
  }

  /** A listener must not throw; if it does, the state is applied all the same. */
  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#logger.error({ error: errorMessage(error) }, "inventory listener failed");
    }
  }
}
