/** Makes things go wrong. What, when and for how long is drawn from the seed, within the rates of the profile. */
import { type Random } from "../../src/base/random.ts";
import { roleOf } from "../../src/consensus/core/configuration.ts";
import { hasQuorum } from "../../src/consensus/core/quorum.ts";
import {
  type ConfigChange,
  type Configuration,
  type NodeId,
} from "../../src/consensus/core/types.ts";
import { type SimCluster } from "./cluster.ts";
import { type Damage } from "./disk.ts";
import { type Cut } from "./net.ts";
import { type SimNode } from "./node.ts";
import { drawPartition, type Link } from "./partitions.ts";
import { type FaultRates } from "./profile.ts";
import { concerns, stream } from "./streams.ts";

const cuts: readonly Cut[] = ["silent", "silent", "refused", "stalled"];
const damages: readonly Damage[] = [
  "block",
  "block",
  "bit",
  "bit",
  "watermark",
  "snapshot",
  "backup",
];
const hourMs = 3_600_000;
/** Nobody loses contact by these. */
const harmless = ["wallJump", "damage", "wipe", "change", "transfer", "syncError"];
const quietMs = 800;

export class Nemesis {
  readonly #cluster: SimCluster;
  readonly #random: Random;
  readonly #maxEvents: number;
  #active = true;
  #lastStrikeMs = -Infinity;
  changes = 0;
  readonly struck = new Map<string, number>();

  /** @param maxEvents nothing goes wrong any more after so many events of the run. */
  constructor(cluster: SimCluster, seed: number, maxEvents = Infinity) {
    this.#cluster = cluster;
    this.#random = stream(seed, concerns.faults);
    this.#maxEvents = maxEvents;
  }

  start(): void {
    const { faults, haste, killAtIo, killAtChange } = this.#cluster.profile;
    const actions: { readonly [F in keyof FaultRates]: () => void } = {
      kill: () => this.#crash(false),
      power: () => this.#crash(true),
      stop: () => this.#stop(),
      pause: () => this.#pause(this.#cluster.profile.pauseMs),
      stall: () => this.#pause(300),
      wallJump: () => this.#anyNode().jumpWall((2 * this.#random.float() - 1) * hourMs),
      partition: () => this.partition(),
      flap: () => this.#flap(),
      hang: () => this.#hang(),
      syncError: () => this.#syncError(),
      full: () => this.#fill(),
      damage: () => this.#damage(),
      wipe: () => this.#wipe(),
      change: () => this.#change(),
      transfer: () => this.#transfer(),
    };
    for (const [name, action] of Object.entries(actions)) {
      this.#repeat(name, faults[name as keyof FaultRates], action);
    }
    if (haste > 0) this.#cluster.onLeader = (node) => this.#strike(node);
    if (killAtChange > 0) this.#cluster.onChange = (node) => this.#dieAt(node, killAtChange);
    if (killAtIo > 0) for (const node of this.#cluster.nodes) this.#watchIo(node, killAtIo);
  }

  stop(): void {
    this.#active = false;
  }

  /** Nothing goes wrong any more. */
  get isOver(): boolean {
    return !this.#active || this.#cluster.clock.events > this.#maxEvents;
  }

  #repeat(name: string, meanMs: number, action: () => void): void {
    if (meanMs === 0) return;
    this.#later(meanMs * 2 * this.#random.float(), () => {
      this.#note(name);
      action();
      this.#repeat(name, meanMs, action);
    });
  }

  #later(delayMs: number, action: () => void): void {
    this.#cluster.clock.after(delayMs, () => {
      if (!this.isOver) action();
    });
  }

  #note(name: string): void {
    if (!harmless.includes(name)) this.#lastStrikeMs = this.#cluster.clock.nowMs;
    this.struck.set(name, (this.struck.get(name) ?? 0) + 1);
  }

  #anyNode(): SimNode {
    const { nodes } = this.#cluster;
    return nodes[this.#random.below(nodes.length)] as SimNode;
  }

  /** Whoever believes to lead, deposed leaders too. */
  #anyLeader(): SimNode | null {
    const leaders = this.#cluster.nodes.filter(
      ({ process, view }) => process !== null && view.leads !== null,
    );
    return leaders[this.#random.below(Math.max(1, leaders.length))] ?? null;
  }

  #leaderOrAny(): SimNode {
    return this.#random.below(3) === 0 ? (this.#anyLeader() ?? this.#anyNode()) : this.#anyNode();
  }

  #duration(meanMs: number): number {
    return meanMs * 2 * this.#random.float();
  }

  #crash(power: boolean): void {
    const node = this.#leaderOrAny();
    node.kill(power);
    this.#cluster.clock.after(this.#duration(this.#cluster.profile.downMs), () => node.start());
  }

  #stop(): void {
    const node = this.#leaderOrAny();
    node.stop();
    this.#cluster.clock.after(3000 + this.#duration(this.#cluster.profile.downMs), () => {
      node.start();
    });
  }

  /** A process dies between any two of its steps: at the end of some disk operation, before it is carried out. */
  #watchIo(node: SimNode, chance: number): void {
    node.watchOperations((life) => {
      if (this.isOver || this.#random.float() >= chance || life !== node.process?.life) return;
      this.#note("killAtIo");
      node.kill(this.#random.below(2) === 0);
      this.#cluster.clock.after(this.#duration(this.#cluster.profile.downMs), () => node.start());
    });
  }

  /** While a promise, the entry into a generation or a page of a merge is under way. */
  #dieAt(node: SimNode, chance: number): void {
    if (this.isOver || this.#random.float() >= chance) return;
    const { process } = node;
    this.#later(this.#random.float() * 30, () => {
      if (node.process !== process || process === null) return;
      this.#note("killAtChange");
      node.kill(this.#random.below(2) === 0);
      this.#cluster.clock.after(this.#duration(this.#cluster.profile.downMs), () => node.start());
    });
  }

  #pause(meanMs: number): void {
    const node = this.#leaderOrAny();
    const clockStands = this.#random.below(3) === 0;
    const { process } = node;
    this.#cluster.trace.add(() => `${node.id} is stopped (SIGSTOP)`);
    node.pause();
    this.#cluster.clock.after(this.#duration(meanMs), () => process?.life.resume(clockStands));
  }

  partition(): void {
    const { nodes } = this.#cluster;
    const lonely = this.#leaderOrAny().slot;
    const links = drawPartition(this.#random, nodes.length, lonely);
    this.#cut(links, this.#duration(this.#cluster.profile.partitionMs));
  }

  #flap(): void {
    const links = drawPartition(this.#random, this.#cluster.nodes.length, this.#leaderOrAny().slot);
    const periodMs = 50 + this.#random.float() * 1500;
    const rounds = 3 + this.#random.below(8);
    for (let round = 0; round < rounds; round += 1) {
      this.#later(round * periodMs, () => this.#cut(links, periodMs * this.#random.float()));
    }
  }

  #cut(links: readonly Link[], forMs: number): void {
    const { network, trace, clock } = this.#cluster;
    const how = cuts[this.#random.below(cuts.length)] ?? "silent";
    trace.add(() => `links cut (${how}): ${links.map(([a, b]) => `${a + 1}>${b + 1}`).join(" ")}`);
    for (const [a, b] of links) network.cut(a, b, how);
    clock.after(forMs, () => {
      trace.add(() => `links heal: ${links.map(([a, b]) => `${a + 1}>${b + 1}`).join(" ")}`);
      for (const [a, b] of links) network.heal(a, b);
    });
  }

  #hang(): void {
    const node = this.#leaderOrAny();
    const { medium } = node.disk;
    medium.hangsUntilMs = this.#cluster.clock.nowMs + this.#duration(4000);
    this.#cluster.trace.add(() => `the disk of ${node.id} hangs`);
  }

  #syncError(): void {
    const node = this.#leaderOrAny();
    node.wound();
    node.disk.medium.syncErrors = 1;
    this.#cluster.trace.add(() => `the next sync of ${node.id} fails`);
  }

  #fill(): void {
    const node = this.#leaderOrAny();
    const { medium } = node.disk;
    node.wound();
    medium.full = true;
    this.#cluster.trace.add(() => `the disk of ${node.id} is full`);
    this.#cluster.clock.after(this.#duration(3000), () => {
      medium.full = false;
    });
  }

  /** Damages what a disk acknowledged, when others keep all of it. Somebody restarts the process soon. */
  #damage(): void {
    const node = this.#anyNode();
    if (!this.#canSpare(node)) return;
    if (this.#random.below(3) === 0) {
      node.disk.takeBackup();
      return;
    }
    const kind = damages[this.#random.below(damages.length)] ?? "bit";
    // Where histories part, it could go on alone meanwhile, and acknowledge on a disk that is going to be given up.
    if (kind === "backup" || this.#cluster.profile.survivor !== null) node.kill(true);
    const what = node.damage(kind);
    if (what === null) {
      node.start();
      return;
    }
    this.#cluster.trace.add(() => `damage on ${node.id}: ${kind}, ${what}`);
    this.#later(this.#duration(1500), () => {
      node.kill(this.#random.below(2) === 0);
      this.#cluster.clock.after(200, () => node.start());
    });
  }

  #wipe(): void {
    const node = this.#anyNode();
    if (this.#canSpare(node)) node.replace();
  }

  /**
   * Without this node every configuration in use still has a quorum, and no other disk is damaged (a damaged standby
   * may become a voter before it is noticed). All must be in contact: a leader that takes a voter it lost sight of for
   * dead, and one that is really gone for alive, appends a configuration that never commits. That is the loss of two
   * of three, beyond what Raft promises to survive. Before the first entry there is no configuration to look at: the
   * cluster may be nothing yet but this disk.
   */
  #canSpare(node: SimNode): boolean {
    const { nodes, network, clock, invariants } = this.#cluster;
    if (invariants.commit === 0) return false;
    const others = nodes.filter((other) => other !== node);
    if (network.isCutAnywhere || clock.nowMs - this.#lastStrikeMs < quietMs) return false;
    if (others.some(({ damaged }) => damaged)) return false;
    if (this.#cluster.profile.survivor !== null) return others.some((one) => hasAll(one, nodes));
    const sound = new Set<NodeId>(others.filter(({ up }) => up).map(({ id }) => id));
    return nodes.every(({ view }) => hasQuorum(view.sets, (id) => sound.has(id)));
  }

  #transfer(): void {
    const to = this.#random.below(3) === 0 ? null : this.#anyNode().id;
    const leader = this.#anyLeader();
    const { process } = leader ?? { process: null };
    if (process === null || process.life.paused) return;
    void process.consensus.transferLeadership(to, 3000);
  }

  #change(): void {
    const leader = this.#anyLeader();
    if (leader !== null) this.#changeAt(leader);
  }

  /**
   * The moments after an election and after a change are the dangerous ones: with `haste`, the operator acts at once
   * and the network breaks while the first messages are under way.
   */
  #strike(node: SimNode): void {
    const { haste, faults } = this.#cluster.profile;
    if (this.isOver) return;
    const dice = this.#random;
    if (faults.change > 0 && dice.float() < haste) {
      this.#later(this.#soon(), () => this.#changeAt(node));
    }
    if (faults.partition > 0 && dice.float() < haste)
      this.#later(this.#soon(), () => this.partition());
    if (faults.kill > 0 && dice.float() < haste / 3)
      this.#later(this.#soon(), () => this.#crash(false));
  }

  #soon(): number {
    return this.#random.below(2) * this.#cluster.network.latency() * 2 * this.#random.float();
  }

  #changeAt(node: SimNode): void {
    const { process } = node;
    if (process === null || process.life.paused || !process.started) return;
    const change = this.#drawChange(process.consensus.status().effective);
    if (!process.consensus.proposeConfig(change).ok) return;
    this.changes += 1;
    const { haste, faults } = this.#cluster.profile;
    if (faults.partition > 0 && this.#random.float() < haste) {
      this.#later(this.#soon(), () => this.partition());
    }
  }

  /** A change that makes sense from this configuration, most of the time. */
  #drawChange(configuration: Configuration): ConfigChange {
    const node = this.#anyNode().id;
    const standby = configuration.standbys[0];
    if (standby !== undefined && this.#random.below(4) === 0) {
      return { op: "swap", out: node, in: standby };
    }
    const ops = changesOf[roleOf(configuration, node) ?? "stranger"];
    return { op: ops[this.#random.below(ops.length)] ?? "addStandby", node };
  }
}

/** There is one history, and `node` alone could go on with all of it. */
function hasAll(node: SimNode, nodes: readonly SimNode[]): boolean {
  const { history } = node.view;
  const { length } = history.committed;
  const last = history.committed.at(-1)?.entry.term ?? 0;
  const isOne = nodes.every(({ view }) => view.history === history && view.writes.length === 0);
  const { up, id } = node;
  const isMember = node.process?.consensus.status().effective.sets.flat().includes(id) === true;
  return isOne && up && isMember && node.disk.durable.holds(length, last);
}

const changesOf = {
  voter: ["demote", "demote", "lose", "remove", "promote"],
  standby: ["promote", "promote", "promote", "lose", "demote"],
  observer: ["addStandby"],
  lost: ["addStandby", "remove"],
  stranger: ["addStandby", "addObserver", "addStandby"],
} as const;
