/**
 * One core of a transcript with its disk and its state machine. With synchronous storage a Ready is written and
 * applied at once; with asynchronous storage both wait until the transcript lets their threads work.
 */
import { must } from "../../../src/base/assert.ts";
import { createCore } from "../../../src/consensus/core/raft.ts";
import {
  type AppendOp,
  type CoreOptions,
  type Entry,
  type NodeId,
  type RaftCore,
  type Ready,
  type RecoveredLog,
  type Role,
  type SnapshotMeta,
} from "../../../src/consensus/core/types.ts";
import { roleNames } from "./format.ts";
import { history } from "../entries.ts";

export interface NodeSettings {
  readonly asyncStorage: boolean;
  /** Requests for votes leave while the own vote is still being written. */
  readonly asksWhileWriting: boolean;
  /** Elections begin with a straw poll. */
  readonly preVote: boolean;
  /** A voter that hears a leader is loyal to it. */
  readonly checkQuorum: boolean;
}

export interface AppendWork {
  readonly op: AppendOp;
  readonly responses: readonly Response[];
  /** Its completion is told by one of the responses. */
  readonly confirmed: boolean;
}

export class InteractionNode {
  readonly id: NodeId;
  readonly core: RaftCore;
  readonly settings: NodeSettings;
  readonly maxInflight: number;
  readonly appendWork: AppendWork[] = [];
  readonly applyWork: (readonly Entry[])[] = [];
  readonly #disk: LogImage;
  /** What the disk will hold once all that was handed out is written. */
  readonly #handed: LogImage;
  /** The state machine's newest state, as a snapshot of it would be. */
  snapshot: SnapshotMeta | null;
  #shown: { readonly role: Role; readonly leader: NodeId | null } = {
    role: "follower",
    leader: null,
  };

  constructor(options: CoreOptions, recovered: RecoveredLog, settings: NodeSettings) {
    this.id = options.self;
    this.settings = settings;
    this.maxInflight = options.maxInflightMessages;
    this.core = createCore(options, recovered);
    this.snapshot = recovered.snapshot;
    this.#disk = { first: recovered.firstIndex, entries: [] };
    this.#handed = { first: recovered.firstIndex, entries: [] };
  }

  get diskFirst(): number {
    return this.#disk.first;
  }

  get diskEntries(): readonly Entry[] {
    return this.#disk.entries;
  }

  /** The next Ready that a transcript would show: not one that only reports what it does not know. */
  takeReady(): { readonly ready: Ready; readonly soft: string | null } | null {
    while (this.core.hasReady()) {
      const ready = this.core.ready();
      if (ready.loads.length > 0)
        throw new Error("transcripts know no loads: the tail is too short");
      const soft = this.#softChange();
      const { append, messages, committed } = ready;
      if (!committed.every(({ index, term }) => termAt(this.#disk, index) === term)) {
        throw new Error(`${this.id} applies what is not on its disk`);
      }
      if (append !== null) writeTo(this.#handed, append);
      if (soft !== null || append !== null || messages.length + committed.length > 0) {
        return { ready, soft };
      }
    }
    return null;
  }

  #softChange(): string | null {
    const { role, leader } = this.core.status();
    if (role === this.#shown.role && leader === this.#shown.leader) return null;
    this.#shown = { role, leader };
    return `Lead:${leader ?? "0"} State:${roleNames[role]}`;
  }

  write(op: AppendOp): void {
    writeTo(this.#disk, op);
  }

  /** What follows a write: it is durable, and a snapshot in it is the new state. */
  written({ seq, snapshot }: AppendOp): void {
    this.core.persisted(seq);
    if (snapshot === null) return;
    this.snapshot = snapshot;
    this.core.applied(snapshot.index);
  }

  applied(entries: readonly Entry[]): void {
    const last = must(entries.at(-1), "something was applied");
    this.core.applied(last.index);
    const { index, term } = last;
    const { committed: config } = this.core.status();
    this.snapshot = { id: `${index}`, index, term, config, ...history, sizeBytes: 0, sha256: "" };
    this.core.snapshotTaken(this.snapshot);
  }

  compact(upTo: number): void {
    compactTo(this.#disk, upTo);
    compactTo(this.#handed, upTo);
    this.core.compacted(upTo + 1);
  }

  /** A write that ends late must not vouch for entries that replaced its own meanwhile. */
  checkPromises(): void {
    this.core.assertInvariants();
    const { persisted } = this.core.status();
    for (const { index, term } of this.#handed.entries) {
      if (index <= persisted && termAt(this.#disk, index) !== term) {
        throw new Error(`${this.id} takes entry ${index} of term ${term} for durable`);
      }
    }
  }
}

interface LogImage {
  first: number;
  entries: Entry[];
}

function termAt({ first, entries }: LogImage, index: number): number | undefined {
  return entries[index - first]?.term;
}

function writeTo(log: LogImage, { truncateFrom, entries, snapshot }: AppendOp): void {
  if (snapshot !== null) {
    log.first = snapshot.index + 1;
    log.entries = [];
  }
  if (truncateFrom !== null) log.entries.length = truncateFrom - log.first;
  log.entries.push(...entries);
}

function compactTo(log: LogImage, index: number): void {
  log.entries.splice(0, index + 1 - log.first);
  log.first = index + 1;
}

/** Something on its way: a message, or the news that a thread is done. */
export interface Response {
  readonly to: NodeId;
  readonly name: string;
  /** From a node to itself or from its threads: never lost. */
  readonly local: boolean;
  readonly text: string;
  readonly deliver: (receiver: InteractionNode) => void;
}
