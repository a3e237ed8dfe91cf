/** Makes things go wrong, and keeps clients and operators busy meanwhile. Everything is drawn from the seed. */
import { type Random } from "../../src/base/random.ts";
import { roleOf } from "../../src/consensus/core/configuration.ts";
import { type ConfigChange, type Configuration } from "../../src/consensus/core/types.ts";
import { stream, type SimCluster } from "./cluster.ts";
import { type SimNode } from "./node.ts";
import { type NemesisProfile } from "./profile.ts";

export class Nemesis {
  readonly #cluster: SimCluster;
  readonly #profile: NemesisProfile;
  readonly #random: Random;
  #active = true;
  #nextCommand = 1;
  proposed = 0;
  changes = 0;

  constructor(cluster: SimCluster, profile: NemesisProfile, seed: number) {
    this.#cluster = cluster;
    this.#profile = profile;
    this.#random = stream(seed, 3);
  }

  start(): void {
    const p = this.#profile;
    this.#cluster.onLeader = (node) => this.#strike(node);
    this.#repeat(p.crashMs, () => this.#crash());
    this.#repeat(p.partitionMs, () => this.#partition());
    this.#repeat(p.pauseMs, () => this.#pause());
    this.#repeat(p.changeMs, () => this.#change());
    this.#repeat(p.transferMs, () => this.#transfer());
    this.#repeat(p.compactMs, () => this.#anyNode().compact(this.#random.below(30)));
    this.#repeat(p.proposeMs, () => this.propose());
    this.#repeat(p.readMs, () => this.#cluster.readAt(this.#anyNode()));
  }

  stop(): void {
    this.#active = false;
  }

  /**
   * The moments after an election and after a change are the dangerous ones: with `haste`, the operator acts at once
   * and the network breaks while the first messages are under way.
   */
  #strike(node: SimNode): void {
    const { clock } = this.#cluster;
    if (!this.#active) return;
    if (this.#random.float() < this.#profile.haste) {
      clock.after(this.#soon(), () => this.#changeAt(node));
    }
    if (this.#random.float() < this.#profile.haste) {
      clock.after(this.#soon(), () => this.#partition());
    }
  }

  #soon(): number {
    return this.#random.below(2) * this.#cluster.network.latency() * 2 * this.#random.float();
  }

  #repeat(meanMs: number, action: () => void): void {
    if (meanMs === 0) return;
    this.#cluster.clock.after(meanMs * 2 * this.#random.float(), () => {
      if (!this.#active) return;
      action();
      this.#repeat(meanMs, action);
    });
  }

  #anyNode(): SimNode {
    const { nodes } = this.#cluster;
    return nodes[this.#random.below(nodes.length)] as SimNode;
  }

  /** Whoever believes to lead gets proposals, deposed leaders too. */
  #anyLeader(): SimNode | null {
    const leaders = this.#cluster.nodes.filter(
      (node) => node.core?.status().role === "leader" && !this.#cluster.isPaused(node),
    );
    return leaders[this.#random.below(leaders.length)] ?? null;
  }

  #crash(): void {
    const node =
      this.#random.below(3) === 0 ? (this.#anyLeader() ?? this.#anyNode()) : this.#anyNode();
    node.crash();
    const down = this.#profile.downMs * 2 * this.#random.float() * this.#random.float();
    this.#cluster.clock.after(down, () => node.start());
    this.#tellOfCrash(node);
  }

  /** Sometimes the closed connection is noticed. */
  #tellOfCrash(crashed: SimNode): void {
    for (const node of this.#cluster.nodes) {
      if (node === crashed || this.#random.below(2) === 0) continue;
      this.#cluster.clock.after(this.#cluster.network.latency(), () =>
        node.with((core) => core.unreachable(crashed.id, "closed")),
      );
    }
  }

  #partition(): void {
    const { nodes, network, clock, trace } = this.#cluster;
    const side = new Set(nodes.filter(() => this.#random.below(2) === 0).map(({ id }) => id));
    const oneWay = this.#random.below(3) === 0;
    const lonely = this.#random.below(3) === 0 ? this.#anyNode().id : null;
    for (const a of nodes) {
      for (const b of nodes) {
        const apart = lonely === null ? side.has(a.id) !== side.has(b.id) : a.id === lonely;
        if (!apart || a === b) continue;
        network.cut(a.id, b.id);
        if (!oneWay) network.cut(b.id, a.id);
      }
    }
    trace.add(() => `partition ${lonely ?? [...side].join(",")}${oneWay ? " one way" : ""}`);
    clock.after(this.#profile.partitionForMs * 2 * this.#random.float(), () => {
      network.healAll();
      trace.add(() => "partition heals");
    });
  }

  #pause(): void {
    const node = this.#anyNode();
    this.#cluster.pause(node);
    this.#cluster.trace.add(() => `${node.id} is paused`);
    this.#cluster.clock.after(this.#profile.pauseForMs * 2 * this.#random.float(), () => {
      this.#cluster.resume(node);
      // What it thinks now is old; its clients do not know.
      if (this.#active) this.#cluster.readAt(node);
    });
  }

  propose(): void {
    const node = this.#anyLeader();
    if (node === null) return;
    const count = 1 + this.#random.below(4);
    const data = Array.from({ length: count }, () =>
      new TextEncoder().encode(`${this.#nextCommand++}`.padEnd(1 + this.#random.below(40))),
    );
    node.with((core) => {
      if (core.propose(data).ok) this.proposed += count;
    });
  }

  #transfer(): void {
    const to = this.#random.below(3) === 0 ? null : this.#anyNode().id;
    this.#anyLeader()?.with((core) => core.transfer(to));
  }

  #change(): void {
    const leader = this.#anyLeader();
    if (leader !== null) this.#changeAt(leader);
  }

  #changeAt(node: SimNode): void {
    if (!this.#active) return;
    const { clock, trace } = this.#cluster;
    node.with((core) => {
      const change = this.#drawChange(core.status().effective);
      if (!core.proposeConfig(change).ok) return;
      this.changes += 1;
      trace.add(() => `change ${JSON.stringify(change)} at ${node.id}`);
      if (this.#random.float() >= this.#profile.haste) return;
      clock.after(this.#soon(), () => this.#partition());
    });
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

const changesOf = {
  voter: ["demote", "demote", "lose", "remove", "promote"],
  standby: ["promote", "promote", "promote", "lose", "demote"],
  observer: ["addStandby"],
  lost: ["addStandby", "remove"],
  stranger: ["addStandby", "addObserver", "addStandby"],
} as const;
