/**
 * Cores joined by a perfect network and perfect disks, for unit tests: everything is delivered in order and at once
 * when `settle` is called, unless a test cuts a link, drops messages or holds a disk.
 */
import { simpleConfiguration } from "../../src/consensus/core/configuration.ts";
import { defaultCoreOptions } from "../../src/consensus/core/options.ts";
import { createCore } from "../../src/consensus/core/raft.ts";
import { emptyRecoveredLog } from "../../src/consensus/core/recovered.ts";
import {
  type CoreOptions,
  type Entry,
  type HardState,
  type Message,
  type NodeId,
  type RaftCore,
  type ReadResult,
  type Ready,
  type RecoveredLog,
} from "../../src/consensus/core/types.ts";
import { must } from "../../src/base/assert.ts";

export interface TestNode {
  readonly id: NodeId;
  readonly core: RaftCore;
  readonly applied: Entry[];
  readonly reads: ReadResult[];
  readonly readies: Ready[];
  /** Messages the core emitted that were not delivered yet. */
  readonly outgoing: Message[];
  hardState: HardState | null;
  /** While true, writes stay unconfirmed and what depends on them stays here. */
  holdDisk: boolean;
  readonly held: { readonly seq: number; readonly after: readonly Message[] }[];
}

export interface TestNetworkOptions {
  readonly voters: readonly NodeId[];
  readonly standbys?: readonly NodeId[];
  readonly options?: Partial<CoreOptions>;
  readonly recovered?: (id: NodeId) => RecoveredLog;
}

export class TestNetwork {
  readonly nodes = new Map<NodeId, TestNode>();
  /** Decides about each message on its way. */
  lets: (message: Message) => boolean = () => true;
  readonly delivered: Message[] = [];

  constructor({ voters, standbys = [], options = {}, recovered }: TestNetworkOptions) {
    const bootstrap = simpleConfiguration(voters, standbys);
    let turn = 0;
    for (const self of [...voters, ...standbys]) {
      const random = (): number => (turn++ % 7) / 7;
      this.nodes.set(
        self,
        newTestNode(
          { ...defaultCoreOptions, random, ...options, self },
          recovered?.(self) ?? emptyRecoveredLog(bootstrap),
        ),
      );
    }
  }

  node(id: NodeId): TestNode {
    return must(this.nodes.get(id), `node ${id} exists`);
  }

  core(id: NodeId): RaftCore {
    return this.node(id).core;
  }

  /** Runs until nobody has anything to do. */
  settle(): void {
    for (let round = 0; round < 10_000; round += 1) {
      let busy = false;
      for (const node of this.nodes.values()) busy = drain(node) || busy;
      for (const node of this.nodes.values()) {
        for (const message of node.outgoing.splice(0)) {
          busy = true;
          if (!this.lets(message)) continue;
          this.delivered.push(message);
          this.nodes.get(message.to)?.core.step(message);
        }
      }
      if (!busy) return;
    }
    throw new Error("the network does not settle");
  }

  tick(count: number, ...ids: NodeId[]): void {
    const ticking = ids.length > 0 ? ids : [...this.nodes.keys()];
    for (let i = 0; i < count; i += 1) {
      for (const id of ticking) this.core(id).tick();
      this.settle();
    }
  }

  /** Makes `id` the leader of the next term by the ordinary way. */
  elect(id: NodeId): void {
    this.core(id).campaign();
    this.settle();
  }

  isolate(...ids: NodeId[]): void {
    this.lets = ({ from, to }) => from === to || (!ids.includes(from) && !ids.includes(to));
  }

  heal(): void {
    this.lets = () => true;
  }
}

export function newTestNode(options: CoreOptions, recovered: RecoveredLog): TestNode {
  return {
    id: options.self,
    core: createCore(options, recovered),
    applied: [],
    reads: [],
    readies: [],
    outgoing: [],
    hardState: null,
    holdDisk: false,
    held: [],
  };
}

/** Does what a driver does with each Ready, with a disk that is durable at once unless it is held. */
export function drain(node: TestNode): boolean {
  let busy = false;
  while (node.core.hasReady()) {
    busy = true;
    const ready = node.core.ready();
    node.readies.push(ready);
    node.outgoing.push(...ready.messages);
    if (ready.append !== null) {
      node.hardState = ready.append.hardState ?? node.hardState;
      node.held.push(ready.append);
      if (!node.holdDisk) releaseDisk(node);
    }
    node.applied.push(...ready.committed);
    const last = ready.committed.at(-1);
    if (last !== undefined) node.core.applied(last.index);
    node.reads.push(...ready.reads);
  }
  return busy;
}

/** Confirms what was written, in order, and lets go what waited for it. */
export function releaseDisk(node: TestNode): void {
  for (const { seq, after } of node.held.splice(0)) {
    node.core.persisted(seq);
    node.outgoing.push(...after);
  }
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);
export const textOf = (entry: Entry): string => new TextDecoder().decode(entry.data);
