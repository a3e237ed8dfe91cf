/** One core on a bench: messages go in one by one, and what comes out is looked at. Its disk is durable at once. */
import { simpleConfiguration } from "../../src/consensus/core/configuration.ts";
import { defaultCoreOptions } from "../../src/consensus/core/options.ts";
import { emptyRecoveredLog } from "../../src/consensus/core/recovered.ts";
import {
  EntryType,
  type CoreOptions,
  type CoreStatus,
  type Entry,
  type HardState,
  type Message,
  type NodeId,
  type RaftCore,
  type RecoveredLog,
  type Term,
} from "../../src/consensus/core/types.ts";
import { drain, newTestNode, type TestNode } from "./core-network.ts";

export type MessageOf<T extends Message["type"]> = Extract<Message, { readonly type: T }>;

export interface BenchOptions {
  readonly self?: NodeId;
  readonly voters?: readonly NodeId[];
  readonly standbys?: readonly NodeId[];
  /** The terms of the log's entries, from index 1. */
  readonly log?: readonly Term[];
  readonly hardState?: Partial<HardState>;
  readonly options?: Partial<CoreOptions>;
}

export function entriesOf(terms: readonly Term[], first = 1): readonly Entry[] {
  return terms.map((term, i) => ({
    index: first + i,
    term,
    type: EntryType.command,
    data: new Uint8Array([term]),
  }));
}

export function recoveredLog(
  voters: readonly NodeId[],
  terms: readonly Term[],
  hardState: Partial<HardState> = {},
): RecoveredLog {
  const entries = entriesOf(terms);
  const runs = entries.filter((entry, i) => entries[i - 1]?.term !== entry.term);
  return {
    ...emptyRecoveredLog(simpleConfiguration(voters)),
    hardState: { term: terms.at(-1) ?? 0, vote: null, commit: 0, ...hardState },
    lastIndex: entries.length,
    termRuns: runs.map(({ index, term }) => ({ first: index, term })),
    tail: entries,
  };
}

export class Bench {
  readonly node: TestNode;
  readonly self: NodeId;

  constructor(given: BenchOptions = {}) {
    const { self = "a", voters = ["a", "b", "c"], standbys = [], log = [], hardState = {} } = given;
    this.self = self;
    const recovered = {
      ...recoveredLog(voters, log, hardState),
      configs: [simpleConfiguration(voters, standbys)],
    };
    const options = { ...defaultCoreOptions, random: () => 0, ...given.options, self };
    this.node = newTestNode(options, recovered);
    this.take();
  }

  get core(): RaftCore {
    return this.node.core;
  }

  get status(): CoreStatus {
    return this.core.status();
  }

  /** The terms of the whole log. */
  get logTerms(): readonly Term[] {
    const terms: Term[] = [];
    for (const { append } of this.node.readies) {
      if (append === null) continue;
      if (append.truncateFrom !== null) terms.length = append.truncateFrom - 1;
      for (const entry of append.entries) terms[entry.index - 1] = entry.term;
    }
    return terms;
  }

  /** Messages that left since the last call; those to itself are delivered. */
  take(): readonly Message[] {
    const out: Message[] = [];
    while (drain(this.node) || this.node.outgoing.length > 0) {
      for (const message of this.node.outgoing.splice(0)) {
        if (message.to === this.self) this.core.step(message);
        else out.push(message);
      }
    }
    return out;
  }

  takeOf<T extends Message["type"]>(type: T): readonly MessageOf<T>[] {
    return this.take().filter((message): message is MessageOf<T> => message.type === type);
  }

  step(...messages: readonly Message[]): readonly Message[] {
    for (const message of messages) this.core.step(message);
    return this.take();
  }

  tick(count: number): readonly Message[] {
    const out: Message[] = [];
    for (let i = 0; i < count; i += 1) {
      this.core.tick();
      out.push(...this.take());
    }
    return out;
  }

  /** A candidate of the next term, after winning the straw poll. */
  becomeCandidate(): readonly Message[] {
    this.core.campaign(true);
    return this.take();
  }

  becomeLeader(): readonly Message[] {
    const requests = this.becomeCandidate();
    const { term } = this.status;
    const out: Message[] = [];
    for (const { to } of requests) out.push(...this.step(voteResp(to, this.self, { term })));
    return out;
  }

  /** Every follower acknowledges all that is in the log. */
  acknowledgeAll(): readonly Message[] {
    const { term, last, effective } = this.status;
    const out: Message[] = [];
    for (const from of effective.sets.flat()) {
      if (from !== this.self)
        out.push(...this.step(appendResp(from, this.self, { term, index: last })));
    }
    return out;
  }
}

interface AtTerm {
  readonly term: Term;
}

export function voteResp(
  from: NodeId,
  to: NodeId,
  { term, granted = true }: AtTerm & { readonly granted?: boolean },
): Message {
  return { type: "VoteResp", from, to, term, granted, requestTerm: term };
}

export function vote(
  from: NodeId,
  to: NodeId,
  at: AtTerm & { readonly lastIndex: number; readonly lastTerm: Term; readonly transfer?: boolean },
): Message {
  return { type: "Vote", from, to, transfer: false, ...at };
}

export function appendResp(
  from: NodeId,
  to: NodeId,
  at: AtTerm & { readonly index: number; readonly ok?: boolean },
): Message {
  return { type: "AppendResp", from, to, ok: true, hintIndex: 0, hintTerm: 0, ...at };
}

export function append(
  from: NodeId,
  to: NodeId,
  at: AtTerm & {
    readonly prevIndex: number;
    readonly prevTerm: Term;
    readonly entries?: readonly Entry[];
    readonly commit?: number;
  },
): Message {
  return { type: "Append", from, to, entries: [], commit: 0, leaderLast: 0, ...at };
}

export function heartbeat(
  from: NodeId,
  to: NodeId,
  at: AtTerm & { readonly commit?: number; readonly round?: number },
): Message {
  return { type: "Heartbeat", from, to, commit: 0, leaderLast: 0, round: 0, ...at };
}
