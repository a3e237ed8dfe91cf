/**
 * Gossip membership as a service: the core, its transport, its snapshot, and the members as the rest of the
 * agent sees them. Gossip only suggests who is there; admission and eviction are the inventory's.
 */
import { Background } from "../../base/background.ts";
import { type Clock } from "../../base/clock.ts";
import { errorMessage } from "../../base/errors.ts";
import { type PeerId } from "../../base/ids.ts";
import { type Logger } from "../../base/logger.ts";
import { type Random } from "../../base/random.ts";
import { type Slowness } from "../../base/slowness.ts";
import { GossipCore } from "../core/core.ts";
import { Counters } from "../core/counters.ts";
import { Directory } from "../core/directory.ts";
import {
  type Input,
  protocolMax,
  protocolMin,
  type SelfChange,
  type SelfRecord,
} from "../core/types.ts";
import { gossipError } from "../errors.ts";
import { checkGossipOptions, type GossipOptions } from "../options.ts";
import {
  type DatagramUse,
  type GossipHealth,
  type GossipNode,
  type GossipStats,
  type GossipTransport,
  type MemberEvent,
  type MemberView,
  type UserEvent,
} from "../ports.ts";
import { checkEventContent } from "../wire/event-codec.ts";
import { encodeRecordBody } from "../wire/record-codec.ts";
import { SignatureAuthority, type Signer } from "./authority.ts";
import { CoreHost } from "./core-host.ts";
import { HostOutbox } from "./host-outbox.ts";
import { Inbound } from "./inbound.ts";
import { memberKey } from "./member-key.ts";
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
  /** 32 hexadecimal digits, new at each start; they sort by the time of the start (`newBootId`). */
  readonly bootId: string;
  readonly protocol: GossipOptions;
}

export interface GossipNodeDependencies extends Signer {
  readonly transport: GossipTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly snapshotFile: SnapshotFile;
  readonly slowness: Pick<Slowness, "factor">;
  /** What this replica of the inventory says; it may lag. */
  readonly isMember: (peer: PeerId) => boolean;
  /** Another process, started before this one, runs with this agent's key at `address`. This one has stopped to gossip. */
  readonly onDoubled: (address: string) => void;
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
  readonly #userListeners = new Set<(event: UserEvent) => void>();
  readonly #contacts = new Map<PeerId, string>();
  readonly #evicted = new Set<PeerId>();
  #description: Required<SelfChange>;
  #running: Running | null = null;
  #farewell: (() => void) | null = null;

  constructor(options: GossipNodeOptions, dependencies: GossipNodeDependencies) {
    this.#options = options;
    this.#deps = dependencies;
    this.#description = { address: options.address, tags: options.tags, datagrams: "none" };
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

  neighbours(): readonly PeerId[] {
    return (this.#running?.core.neighbours ?? []).map((ix) => this.#directory.id(ix));
  }

  compareViews(): void {
    this.#post({ kind: "compare" });
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

  setDatagrams(datagrams: DatagramUse): void {
    if (this.#description.datagrams !== datagrams) this.#describe({ datagrams });
  }

  userEvent(name: string, payload: Uint8Array): void {
    checkEventContent(name, payload);
    const counters = this.#running?.core.counters;
    const agent = `Cannot tell event "${name}": this agent`;
    if (counters === undefined) throw gossipError("GOSSIP_NOT_RUNNING", `${agent} is stopping`);
    const refused = counters.get("eventsRefused");
    this.#post({ kind: "tell", name, payload: Uint8Array.from(payload) });
    if (counters.get("eventsRefused") === refused) return;
    throw gossipError("GOSSIP_EVENT_REFUSED", `${agent} tells too many at once; try again`);
  }

  onUserEvent(listener: (event: UserEvent) => void): () => void {
    this.#userListeners.add(listener);
    return () => this.#userListeners.delete(listener);
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

  health(): GossipHealth {
    return this.#running?.core.health() ?? { score: 0, degraded: false, queue: 0, members: 0 };
  }

  stats(): GossipStats {
    const core = this.#running?.core;
    return {
      health: this.health(),
      counters: (core?.counters ?? new Counters()).all(),
      lanes: this.#deps.transport.lanes(),
      clocks: { incarnation: core?.incarnation ?? 0, event: core?.eventClock ?? 0 },
      convergence: core?.convergence(this.#deps.clock.monotonicMs()) ?? neverConverged,
    };
  }

  #build(keeper: SnapshotKeeper, snapshot: Snapshot | null): Running {
    const { transport, clock, random, logger, slowness } = this.#deps;
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
        eventClock: snapshot?.eventClock ?? 0,
      },
    );
    const views = new MemberViews(directory, core.table);
    const background = new Background(logger);
    const outbox = new HostOutbox(protocol, {
      ...{ directory, transport, views, background, logger, clock },
      post: (input) => this.#post(input),
      farewellSpread: () => this.#farewell?.(),
      conflict: ({ isLater, address }) => {
        if (isLater) this.#fallSilent(address);
      },
    });
    const settled = (): void => {
      const { members, user } = outbox.takeEvents();
      this.#publish(members, this.#listeners, (event) => event.kind);
      this.#publish(user, this.#userListeners, (event) => event.name);
    };
    const host = new CoreHost({ core, clock, outbox, slowness, settled });
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
    transport.onFrame((from, frame, lane) => {
      if (this.#running !== null) inbound.frame(from, frame, lane);
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

  #fallSilent(twin: string): void {
    this.#running?.host.stop();
    this.#deps.onDoubled(twin);
  }

  #publish<Event>(
    events: readonly Event[],
    listeners: ReadonlySet<(event: Event) => void>,
    nameOf: (event: Event) => string,
  ): void {
    for (const event of events) {
      for (const listener of [...listeners]) {
        try {
          listener(event);
        } catch (error) {
          const data = { event: nameOf(event), error: errorMessage(error) };
          this.#deps.logger.error(data, "listener of membership events failed");
        }
      }
    }
  }

  #snapshot(): Snapshot {
    const { id, bootId } = this.#options;
    const core = this.#running?.core;
    if (core === undefined) return { incarnation: 0, bootId, eventClock: 0, members: [] };
    const near = new Set(core.neighbours.map((ix) => this.#directory.id(ix)));
    const others = this.members().filter((member) => member.id !== id);
    const { incarnation, eventClock } = core;
    return snapshotOf(others, { near, incarnation, bootId, eventClock });
  }
}

const neverConverged = { agrees: null, forMs: 0, lastTookMs: null, agreedAt: [] };
