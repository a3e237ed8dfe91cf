/**
 * The state as one command may change it: every write is stamped with the entry's index and can be taken
 * back, so that a refused command leaves no trace. Reads through `view` see the writes.
 */
import { type JsonObject } from "../base/json.ts";
import { type EventType } from "./event-types.ts";
import { type KeyPrefix } from "./keys.ts";
import { limits } from "./limits.ts";
import { type RecordTypes } from "./record-types.ts";
import { type EventRecord } from "./records.ts";
import { type InventoryState } from "./state.ts";

export interface CommandContext {
  /** Raft index of the entry: the version of every record it writes. */
  readonly index: number;
  /** The leader's wall clock when it took the command in. */
  readonly at: number;
  /** Actor: `operator`, `token:ID`, `agent:NODE`, `controller`. */
  readonly by: string;
}

type Versioned = Exclude<KeyPrefix, "event">;

export class Draft {
  readonly view: InventoryState;
  readonly index: number;
  readonly at: number;
  readonly by: string;
  readonly #undo: (() => void)[] = [];
  readonly #events: EventRecord[] = [];

  constructor(state: InventoryState, context: CommandContext) {
    this.view = state;
    this.index = context.index;
    this.at = context.at;
    this.by = context.by;
  }

  put<P extends Versioned>(prefix: P, id: string, record: Omit<RecordTypes[P], "version">): void {
    if (isMarked(prefix) && this.view.count("deleted") > 0) this.#unmark(`${prefix}/${id}`);
    this.#remember(prefix, id);
    this.view.put(prefix, id, { ...record, version: this.index } as RecordTypes[P]);
  }

  delete(prefix: KeyPrefix, id: string): void {
    this.#remember(prefix, id);
    this.view.delete(prefix, id);
    if (isMarked(prefix)) this.#mark(`${prefix}/${id}`);
  }

  /** `subject` is what the event is about, as `kind/name`. */
  emit(type: EventType, subject: string, message: string, data: JsonObject = {}): void {
    const { index, at, by } = this;
    this.#events.push({ index, seq: this.#events.length, at, type, subject, message, by, data });
  }

  /** An event of another history, with the time and actor it had there, at this entry's place in the stream. */
  append(event: Omit<EventRecord, "index" | "seq">): void {
    this.#events.push({ ...event, index: this.index, seq: this.#events.length });
  }

  /** Ends the command: its events become part of the state. */
  commit(): readonly EventRecord[] {
    if (this.#events.length > 0) this.view.addEvents(this.index, this.#events);
    return this.#events;
  }

  rollback(): void {
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) undo();
    this.#events.length = 0;
  }

  /** A merge must tell what was deleted on one side from what was made on the other. */
  #mark(deleted: string): void {
    this.put("deleted", deleted, {});
    const oldest = this.view.oldestDeletion(limits.deletions);
    if (oldest !== null) this.delete("deleted", oldest);
  }

  #unmark(made: string): void {
    if (this.view.get("deleted", made) !== null) this.delete("deleted", made);
  }

  #remember<P extends KeyPrefix>(prefix: P, id: string): void {
    const before = this.view.get(prefix, id);
    this.#undo.push(() => {
      if (before === null) this.view.delete(prefix, id);
      else this.view.put(prefix, id, before);
    });
  }
}

/** Records whose absence says something: all others are only dropped when they are old, or with their node. */
function isMarked(prefix: KeyPrefix): boolean {
  return prefix === "var" || prefix === "role" || prefix === "token";
}
