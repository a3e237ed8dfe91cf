/** One simulated agent: a disk, a coordinator, and a process that carries its effects out over the network. */
import { type NodeId } from "../../../src/consensus/core/types.ts";
import { Coordinator } from "../../../src/consensus/lineage/coordinator.ts";
import { defaultTimings } from "../../../src/consensus/lineage/coordinator-timings.ts";
import {
  type CoordinatorEffect,
  type Departure,
  type LocalFacts,
  type SurvivorSettings,
} from "../../../src/consensus/lineage/coordinator-types.ts";
import { withGeneration } from "../../../src/consensus/lineage/generation.ts";
import { type Demotion, type PromiseAnswer } from "../../../src/consensus/lineage/ports.ts";
import {
  type Generation,
  type LineageHello,
  type LineagePromise,
} from "../../../src/consensus/lineage/types.ts";
import { type Disk } from "./disk.ts";
import { type World } from "./world.ts";

export const simSettings: SurvivorSettings = {
  policy: "silence",
  timers: { silenceMs: 5000, coldMs: 12_000 },
  hold: false,
  fence: false,
};

/** How long writing to the disk takes at most. */
const writeMs = 30;

export class SimAgent {
  readonly id: NodeId;
  readonly disk: Disk;
  readonly world: World;
  readonly coordinator: Coordinator;
  readonly bornAt: number;
  readonly heardAt = new Map<NodeId, number>();
  readonly hellos = new Map<NodeId, LineageHello>();
  dead = false;
  /** A change of generation is being carried out: the engine stands still. */
  moving = false;
  /** How slow its machine is, as it noticed itself, and how seldom its turns come. */
  slowness = 1;
  tickEveryMs = 100;
  // The engine's volatile part.
  leader: NodeId | null = null;
  leaderHeardAt = -Infinity;
  leaderLast = 0;
  quorumAt = -Infinity;
  readonly syncedAt = new Map<NodeId, number>();
  departure: { readonly what: Departure; readonly since: number } | null = null;

  constructor(id: NodeId, disk: Disk, world: World) {
    this.id = id;
    this.disk = disk;
    this.world = world;
    this.bornAt = world.now;
    this.coordinator = new Coordinator({
      self: id,
      clusterId: world.clusterId,
      timings: { ...defaultTimings, helloMs: 3000, quorumLossMs: 2000 },
      newId: () => world.newId(),
      wallMs: () => world.now,
    });
  }

  /** Votes, acknowledges and leads. */
  get runs(): boolean {
    const { generation, lineage } = this.disk;
    return !this.dead && !this.moving && lineage.promise?.parent !== generation.id;
  }

  get leads(): boolean {
    return this.runs && this.leader === this.id;
  }

  get leaderInSight(): NodeId | null {
    if (!this.runs) return null;
    if (this.leader === this.id) return this.world.now - this.quorumAt <= 1500 ? this.id : null;
    return this.world.now - this.leaderHeardAt <= 1500 ? this.leader : null;
  }

  facts(): LocalFacts {
    const { disk, world } = this;
    const heardMs = new Map([...this.heardAt].map(([id, at]) => [id, world.now - at]));
    return {
      lineage: disk.lineage,
      leader: this.leaderInSight,
      term: disk.term,
      lastTerm: disk.lastTerm,
      lastIndex: disk.lastIndex,
      commit: disk.commit,
      leaderLast: this.leaderLast,
      configuration: disk.configuration,
      chainAt: (index) => disk.chainAt(index),
      admitted: world.ids,
      neighbours: world.ids.filter((id) => id !== this.id),
      heardMs,
      storageOk: true,
      hasCarrier: true,
      upMs: world.now - this.bornAt,
      slowness: this.slowness,
      settings: world.settings,
    };
  }

  tick(): void {
    this.carryOut(this.coordinator.tick(this.world.now, this.facts()));
    this.#driveDeparture();
  }

  carryOut(effects: readonly CoordinatorEffect[]): void {
    for (const effect of effects) this.#do(effect);
  }

  #do(effect: CoordinatorEffect): void {
    const { world, coordinator } = this;
    switch (effect.kind) {
      case "hello":
        this.#ask(
          effect.to,
          (peer) => {
            peer.greeted(coordinator.hello(this.facts(), this.hellos.get(peer.id) ?? null));
            return peer.coordinator.hello(peer.facts(), peer.hellos.get(this.id) ?? null);
          },
          (hello) => this.greeted(hello),
        );
        return;
      case "survey": {
        const survey = coordinator.survey(world.now, this.facts());
        this.#ask(
          effect.to,
          (peer) => {
            peer.coordinator.surveyed(this.id, survey, world.now, peer.facts());
            return peer.coordinator.survey(world.now, peer.facts());
          },
          (answer) => coordinator.surveyAnswered(effect.to, answer, world.now),
        );
        return;
      }
      case "prepare":
        this.#askSlowly<PromiseAnswer>(
          effect.to,
          (peer, answer) => {
            const verdict = peer.coordinator.promise(effect.request, peer.facts());
            peer.persist(verdict.write ? verdict.promise : null, () => {
              answer(peer.answerOf(verdict));
            });
          },
          (answer) =>
            this.carryOut(coordinator.prepared(effect.to, answer, world.now, this.facts())),
        );
        return;
      case "accept":
        this.#askSlowly<PromiseAnswer>(
          effect.to,
          (peer, answer) => {
            const verdict = peer.coordinator.accept(effect.request, peer.facts());
            peer.persist(verdict.write ? verdict.promise : null, () => {
              answer(peer.answerOf(verdict));
            });
          },
          (answer) =>
            this.carryOut(coordinator.accepted(effect.to, answer, world.now, this.facts())),
        );
        return;
      case "enter":
        this.#move(() => {
          this.disk.force(effect.child, effect.term);
          this.#path(withGeneration(this.disk.lineage.generations, effect.child));
        });
        return;
      case "adopt":
        this.#move(() => this.#path(effect.generations));
        return;
      case "confirm":
        this.#ask(
          effect.to,
          (peer) => (peer.facts().leader === null ? null : peer.disk.generation.id),
          (generation) => {
            if (generation !== effect.generation) return;
            coordinator.meetings.confirmed(effect.to, effect.generation, world.now);
            this.#do({ kind: "hello", to: effect.to });
          },
        );
        return;
      case "depart":
        this.#freeze(effect.departure);
        return;
      case "ask-exit":
      case "fence":
        return;
      case "log":
        world.note(`${this.id} ${effect.message} ${JSON.stringify(effect.data)}`);
        return;
    }
  }

  greeted(hello: LineageHello): void {
    this.hellos.set(hello.from, hello);
    this.carryOut(this.coordinator.greeted(hello, this.world.now, this.facts()));
  }

  answerOf({ granted, promise }: Pick<PromiseAnswer, "granted" | "promise">): PromiseAnswer {
    const { term, lastTerm, lastIndex, commit } = this.disk;
    return { granted, promise, term, lastTerm, lastIndex, commit };
  }

  /** Durable before `then`; a crash in between may or may not have written it. */
  persist(promise: LineagePromise | null, then: () => void): void {
    if (promise === null) return then();
    const { generation } = this.disk;
    const written = this.world.random.below(writeMs);
    this.leader = null;
    this.moving = true;
    this.world.network.later(this.world.now + written, () => {
      if (this.dead || this.disk.generation.id !== generation.id) return;
      this.disk.lineage = { ...this.disk.lineage, promise };
      this.moving = false;
      then();
    });
  }

  #move(change: () => void): void {
    this.leader = null;
    this.moving = true;
    this.world.network.later(this.world.now + this.world.random.below(writeMs), () => {
      if (this.dead) return;
      change();
      this.#restartEngine();
    });
  }

  #restartEngine(): void {
    this.moving = false;
    this.leader = null;
    this.quorumAt = -Infinity;
    this.leaderHeardAt = -Infinity;
    this.syncedAt.clear();
    this.coordinator.moved(this.world.now);
  }

  #path(generations: readonly Generation[]): void {
    this.world.moved(this, generations, "extend");
    this.disk.lineage = { generations, promise: null, voteFrom: null };
  }

  #freeze(what: Departure): void {
    const { generation, lineage } = this.disk;
    const counter = (lineage.promise?.ballot.counter ?? 0) + 1;
    const accepted = lineage.promise?.parent === generation.id ? lineage.promise.accepted : null;
    const promise = { parent: generation.id, ballot: { counter, node: this.id }, accepted };
    this.persist(promise, () => {
      this.departure = { what, since: this.world.now };
      this.coordinator.departing("exporting");
    });
  }

  /** Export, demotion, reset; each step is asked for again until it is done or the winner is gone. */
  #driveDeparture(): void {
    const { departure, world, disk } = this;
    if (departure === null || world.random.float() < 0.5) return;
    const { what, since } = departure;
    if (world.now - since > 10_000) {
      this.departure = null;
      this.coordinator.moved(world.now);
      return;
    }
    const target = what.generations.at(-1);
    const ops = what.exportAfter === null ? [] : disk.ops(what.exportAfter);
    const stillMine = (): boolean => this.departure === departure && !this.dead;
    this.#askSlowly<Demotion>(
      what.via,
      (peer, answer) => {
        if (!peer.disk.lineage.generations.some(({ id }) => id === target?.id)) return;
        world.merge(peer, ops, () => {
          world.demote(peer, this.id, (commit) => {
            answer({ generations: peer.disk.lineage.generations, commit });
          });
        });
      },
      ({ generations, commit }) => {
        if (!stillMine()) return;
        this.departure = null;
        world.moved(this, generations, "reset");
        disk.items = [];
        disk.commit = 0;
        disk.lineage = { generations, promise: null, voteFrom: commit };
        this.#restartEngine();
      },
    );
  }

  #ask<T>(to: NodeId, serve: (peer: SimAgent) => T, done: (answer: T) => void): void {
    this.#askSlowly<T>(to, (peer, answer) => answer(serve(peer)), done);
  }

  #askSlowly<T>(
    to: NodeId,
    serve: (peer: SimAgent, answer: (value: T) => void) => void,
    done: (answer: T) => void,
  ): void {
    const { world, id } = this;
    const { network } = world;
    network.send(id, to, world.now, () => {
      const peer = world.running(to);
      if (peer === null || this.dead) return;
      peer.heardAt.set(id, world.now);
      serve(peer, (value) => {
        if (peer.dead) return;
        network.send(to, id, world.now, () => {
          if (this.dead) return;
          if (to !== id) this.heardAt.set(to, world.now);
          done(value);
        });
      });
    });
  }
}
