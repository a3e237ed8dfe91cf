/**
 * Carries membership from the replica to the mesh and to gossip: addresses to dial, peers to greet, evicted ones
 * to refuse. Acts on member events, and looks at all members now and then, as a restored snapshot has none.
 */
import { Background } from "../base/background.ts";
import { type Clock, delay, untilBeat } from "../base/clock.ts";
import { asPeerId, type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type Random } from "../base/random.ts";
import { type Service } from "../base/service.ts";
import { type GossipNode } from "../gossip/ports.ts";
import { type EventRecord, type MemberRecord } from "../inventory/records.ts";
import { type InventoryStateMachine } from "../inventory/state-machine.ts";
import { type MeshHost } from "../p2p/host.ts";
import { UnheardMembers } from "./unheard-members.ts";

export interface MemberWatchDeps {
  readonly self: PeerId;
  readonly stateMachine: InventoryStateMachine;
  readonly host: Pick<MeshHost, "addressesOf" | "setAddress" | "enforceAdmission">;
  readonly gossip: Pick<GossipNode, "evict" | "member" | "health" | "contact">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The cluster evicted this very agent. */
  readonly onEvicted: () => void;
}

const periodMs = 10_000;
/**
 * An evicted agent is hung up on only after this time: the entry that evicts it is on its way to it, and once it has
 * that it ends by itself, instead of looking for a cluster that nobody lets it into again.
 */
const partingMs = 1_000;

export class MemberWatch implements Service {
  readonly name = "member-watch";
  readonly #deps: MemberWatchDeps;
  readonly #background: Background;
  readonly #evicted = new Set<PeerId>();
  readonly #parting = new Set<PeerId>();
  readonly #unheard: UnheardMembers;
  #unsubscribe: () => void = () => undefined;

  constructor(deps: MemberWatchDeps) {
    this.#deps = deps;
    this.#background = new Background(deps.logger);
    this.#unheard = new UnheardMembers(deps.random);
  }

  start(): Promise<void> {
    this.#unsubscribe = this.#deps.stateMachine.onEvents((events) => this.#onEvents(events));
    this.#background.run("members", async (signal) => {
      for (;;) {
        this.#syncAll();
        const { clock } = this.#deps;
        await delay(clock, untilBeat(clock, periodMs), signal);
      }
    });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#unsubscribe();
    return this.#background.close();
  }

  #onEvents(events: readonly EventRecord[]): void {
    const now = this.#deps.clock.monotonicMs();
    const news = events.filter((event) => event.type.startsWith("member."));
    for (const { type, data } of news) {
      if (type !== "member.admitted") continue;
      this.#unheard.admitted(asPeerId(String(data["id"])), now);
    }
    if (news.length > 0) this.#syncAll();
  }

  #syncAll(): void {
    for (const member of this.#deps.stateMachine.view.members()) this.#sync(member);
    this.#deps.host.enforceAdmission((peer) => this.#parting.has(peer));
  }

  #part(peer: PeerId): void {
    this.#unheard.forget(peer);
    if (this.#evicted.has(peer)) return;
    this.#evicted.add(peer);
    this.#deps.gossip.evict(peer);
    this.#parting.add(peer);
    this.#background.run(`part from ${peer}`, async (signal) => {
      await delay(this.#deps.clock, partingMs, signal);
      this.#parting.delete(peer);
      this.#deps.host.enforceAdmission((other) => this.#parting.has(other));
    });
  }

  #sync(member: MemberRecord): void {
    const { self, host, gossip, clock, onEvicted } = this.#deps;
    if (member.id === self) {
      if (member.status === "evicted") onEvicted();
      return;
    }
    if (member.status === "evicted") {
      this.#part(member.id);
      return;
    }
    if (member.address === "") return;
    if (host.addressesOf(member.id).length === 0) host.setAddress(member.id, member.address);
    if (gossip.member(member.id) !== null) this.#unheard.forget(member.id);
    else if (this.#unheard.isDue(member.id, clock.monotonicMs(), gossip.health().members - 1)) {
      gossip.contact([{ id: member.id, address: member.address }]);
    }
  }
}
