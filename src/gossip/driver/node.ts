/**
 * Gossip membership as a service: the core, its transport, its snapshot, and the members as the rest of the
 * agent sees them. Gossip only suggests who is there; admission and eviction are the inventory's.
 */
import { createHash } from "node:crypto";
import { Background } from "../../base/background.ts";
import { type Clock } from "../../base/clock.ts";
import { errorMessage } from "../../base/errors.ts";
import { type PeerId } from "../../base/ids.ts";
import { type Logger } from "../../base/logger.ts";
import { type Random } from "../../base/random.ts";
import { GossipCore } from "../core/core.ts";
import { Directory } from "../core/directory.ts";
import {
  type Input,
  protocolMax,
  protocolMin,
  type SelfChange,
  type SelfRecord,
} from "../core/types.ts";
import { checkGossipOptions, type GossipOptions } from "../options.ts";
import {
  type GossipNode,
  type GossipTransport,
  type MemberEvent,
  type MemberView,
} from "../ports.ts";
import { encodeRecordBody } from "../wire/record-codec.ts";
import { SignatureAuthority, type Signer } from "./authority.ts";
import { CoreHost } from "./core-host.ts";
import { HostOutbox } from "./host-outbox.ts";
import { Inbound } from "./inbound.ts";
import { MemberViews } from "./member-views.ts";
import { firstIncarnation, type Snapshot, snapshotOf } from "./snapshot.ts";
import { type SnapshotFile } from "./snapshot-file.ts";
import { SnapshotKeeper } from "./snapshot-keeper.ts";

export interface GossipNodeOptions {
  readonly id: PeerId;
  readonly name: string;
  /** `host:port` at which others reach this agent. */
  readonly address: string;
  readonly tags: Readonly<Record<string, string>>;
  /** 32 hexadecimal digits, new at each start. */
  readonly bootId: string;
  readonly protocol: GossipOptions;
}

export interface GossipNodeDependencies extends Signer {
  readonly transport: GossipTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly snapshotFile: SnapshotFile;
  /** What this replica of the inventory says; it may lag. */
  readonly isMember: (peer: PeerId) => boolean;
}

export function createGossipNode(
  options: GossipNodeOptions,
  dependencies: GossipNodeDependencies,
): GossipNode {
  checkGossipOptions(options.protocol);
  return new GossipDriver(options, dependencies);
}

interface Running {
  readonly core: GossipCore;
  readonly host: CoreHost;
  readonly views: MemberViews;
  readonly keeper: SnapshotKeeper;
  readonly background: Background;
}

class GossipDriver implements GossipNode {
  readonly name = "gossip";
  readonly #options: GossipNodeOptions;
  readonly #deps: GossipNodeDependencies;
  readonly #directory: Directory;
  readonly #listeners = new Set<(event: MemberEvent) => void>();
  readonly #contacts = new Map<PeerId, string>();
  readonly #evicted = new Set<PeerId>();
  #description: Required<SelfChange>;
  #running: Running | null = null;
  #farewell: (() => void) | null = null;

  constructor(options: GossipNodeOptions, dependencies: GossipNodeDependencies) {
    this.#options = options;
    this.#deps = dependencies;
    this.#description = { address: options.address, tags: options.tags };
    const { membersMax, rings } = options.protocol;
    this.#directory = new Directory({ capacity: 2 * membersMax, rings }, memberKey);
  }

  async start(signal: AbortSignal): Promise<void> {
    const { clock, logger, snapshotFile } = this.#deps;
    const current = (): Snapshot => this.#snapshot();
    const keeper = new SnapshotKeeper({ clock, logger, file: snapshotFile, current });
    const snapshot = await keeper.load();
    signal.throwIfAborted();
    const running = this.#build(keeper, snapshot);
    this.#running = running;
    for (const id of this.#evicted) this.#evictNow(id);
    for (const [id, address] of this.#contacts) this.#contact(id, address);
    this.contact(snapshot?.members ?? []);
    keeper.start();
    running.host.post(null);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    if (running === null) return;
    running.host.stop();
    await running.background.close();
    await running.keeper.stop();
    this.#running = null;
  }

  members(): readonly MemberView[] {
    return this.#running?.views.all() ?? [];
  }

  member(id: PeerId): MemberView | null {
    return this.#running?.views.find(id) ?? null;
  }

  onEvent(listener: (event: MemberEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  contact(peers: readonly { readonly id: PeerId; readonly address: string }[]): void {
    for (const { id, address } of peers) {
      if (id === this.#options.id || this.#evicted.has(id)) continue;
      this.#contacts.set(id, address);
      if (this.#running !== null) this.#contact(id, address);
    }
  }

  setTags(tags: Readonly<Record<string, string>>): void {
    this.#describe({ tags });
  }

  setAddress(address: string): void {
    this.#describe({ address });
  }

  evict(id: PeerId): void {
    if (id === this.#options.id || this.#evicted.has(id)) return;
    this.#evicted.add(id);
    this.#contacts.delete(id);
    this.#evictNow(id);
  }

  async leave(timeoutMs: number): Promise<void> {
    if (this.#running === null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#deps.clock.setTimer(timeoutMs, resolve);
    this.#farewell = resolve;
    this.#post({ kind: "leave" });
    await promise;
    cancel();
  }

  health(): { readonly score: number; readonly queue: number; readonly members: number } {
    return this.#running?.core.health() ?? { score: 0, queue: 0, members: 0 };
  }

  #build(keeper: SnapshotKeeper, snapshot: Snapshot | null): Running {
    const { transport, clock, random, logger } = this.#deps;
    const { protocol } = this.#options;
    const directory = this.#directory;
    const core = new GossipCore(
      protocol,
      {
        ...{ directory, random },
        authority: new SignatureAuthority(this.#deps),
        policy: { mayJoin: (subject, carrier) => this.#mayJoin(subject, carrier) },
      },
      {
        now: clock.monotonicMs(),
        self: directory.intern(this.#options.id),
        record: this.#firstRecord(snapshot),
      },
    );
    const views = new MemberViews(directory, core.table);
    const background = new Background(logger);
    const outbox = new HostOutbox(protocol, {
      ...{ directory, transport, views, background, logger },
      post: (input) => this.#post(input),
      farewellSpread: () => this.#farewell?.(),
    });
    const settled = (): void => this.#publish(outbox.takeEvents());
    const host = new CoreHost({ core, clock, outbox, settled });
    this.#listen(new Inbound(protocol, { directory, clock, logger, host, core }));
    return { core, host, views, keeper, background };
  }

  #firstRecord(snapshot: Snapshot | null): SelfRecord {
    const { id, name, bootId } = this.#options;
    const incarnation = firstIncarnation(snapshot, this.#deps.clock.wallMs());
    const flags = { protocolMin, protocolMax, leaving: false, degraded: false };
    return { id, name, bootId, incarnation, ...this.#description, ...flags };
  }

  #listen(inbound: Inbound): void {
    const { transport } = this.#deps;
    transport.onFrame((from, frame) => {
      if (this.#running !== null) inbound.frame(from, frame);
    });
    transport.onSync((from, request) =>
      this.#running === null ? new Uint8Array(0) : inbound.sync(from, request),
    );
    transport.onConnection((peer, state) => {
      const ix = this.#directory.find(peer);
      if (ix >= 0) this.#post({ kind: "connection", peer: ix, state });
    });
  }

  /**
   * Replicas lag, so a record of a peer that this one does not know yet is taken when somebody who is known
   * brings it. A stranger cannot introduce itself.
   */
  #mayJoin(subject: PeerId, carrier: PeerId): boolean {
    return this.#isTrusted(subject) || this.#isTrusted(carrier);
  }

  #isTrusted(peer: PeerId): boolean {
    if (this.#deps.isMember(peer) || this.#contacts.has(peer)) return true;
    const table = this.#running?.core.table;
    return table?.isUp(this.#directory.find(peer)) === true;
  }

  #contact(id: PeerId, address: string): void {
    const ix = this.#directory.intern(id);
    if (ix < 0) return;
    this.#deps.transport.setAddress(id, address);
    this.#post({ kind: "contact", peers: [ix] });
  }

  #evictNow(id: PeerId): void {
    const member = this.#directory.intern(id);
    if (member >= 0) this.#post({ kind: "evict", member });
  }

  #describe(change: SelfChange): void {
    const description = { ...this.#description, ...change };
    // Refuses what is too large before anything changes.
    encodeRecordBody({ ...this.#firstRecord(null), ...description });
    this.#description = description;
    this.#post({ kind: "describe", change });
  }

  #post(input: Input): void {
    this.#running?.host.post(input);
  }

  #publish(events: readonly MemberEvent[]): void {
    for (const event of events) {
      for (const listener of [...this.#listeners]) {
        try {
          listener(event);
        } catch (error) {
          const data = { event: event.kind, error: errorMessage(error) };
          this.#deps.logger.error(data, "listener of membership events failed");
        }
      }
    }
  }

  #snapshot(): Snapshot {
    const { id, bootId } = this.#options;
    const core = this.#running?.core;
    if (core === undefined) return { incarnation: 0, bootId, members: [] };
    const near = new Set(core.neighbours.map((ix) => this.#directory.id(ix)));
    const others = this.members().filter((member) => member.id !== id);
    return snapshotOf(others, { near, incarnation: core.incarnation, bootId });
  }
}

/** The first 8 bytes of SHA-256 of the peer id. */
function memberKey(id: PeerId): Uint8Array {
  return createHash("sha256").update(id).digest().subarray(0, 8);
}
