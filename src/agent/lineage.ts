/**
 * Survivor mode in the agent: the coordinator's driver with everything it needs, what other agents ask of it, and the
 * operator's hand on it.
 */
import { AgentError } from "../base/errors.ts";
import { type Clock, delay } from "../base/clock.ts";
import { type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type Random } from "../base/random.ts";
import { type Service } from "../base/service.ts";
import { type LineageOutlook, type LineagePort } from "../api/context.ts";
import { leads } from "../consensus/driver/api.ts";
import { type MeasuredConsensusNode } from "../consensus/driver/driver.ts";
import { isVoter } from "../consensus/core/configuration.ts";
import { type Index } from "../consensus/core/types.ts";
import { LineageDriver } from "../consensus/lineage-driver/driver.ts";
import { type AgentPeers } from "../consensus/lineage-driver/ports.ts";
import { type CoordinatorStatus } from "../consensus/lineage/coordinator-types.ts";
import { defaultTimings } from "../consensus/lineage/coordinator-timings.ts";
import { currentGeneration, isProvisional } from "../consensus/lineage/generation.ts";
import {
  type Demotion,
  type ExitWitness,
  type Fencer,
  type HistoryKeeper,
} from "../consensus/lineage/ports.ts";
import { type Generation, type SurvivorPlan } from "../consensus/lineage/types.ts";
import { writtenIn } from "../consensus/lineage/written-in.ts";
import { type GossipNode } from "../gossip/ports.ts";
import { type MeshHost } from "../p2p/host.ts";
import { type Identity } from "../p2p/identity.ts";
import { type Rpc } from "../p2p/ports.ts";
import { type Command, type CommandResult } from "../inventory/commands.ts";
import { InventoryMerge } from "../inventory/merge-policy.ts";
import { defaultSurvivorSettings } from "../inventory/survivor-settings.ts";
import { type InventoryStateMachine } from "../inventory/state-machine.ts";
import { type MeshContext } from "../p2p/mesh-context.ts";
import { LineageKeeper } from "./lineage-keeper.ts";
import { lineagePeers, otherLeader, serveLineage } from "./lineage-rpc.ts";
import { leftBehind, leftBehindAt } from "./left-behind.ts";
import { openGenerations } from "./open-generations.ts";
import { PartnerFence } from "./partner-fence.ts";
import { type ExitHold } from "./supervisor/exit-hold.ts";
import { HoldKeeper } from "./supervisor/hold-keeper.ts";
import { SurroundingsWatch } from "./surroundings.ts";

export interface LineageDeps {
  readonly mesh: {
    readonly rpc: Rpc;
    readonly host: Pick<MeshHost, "addresses">;
    readonly identity: Pick<Identity, "peer">;
    readonly context: Pick<MeshContext, "slowness">;
  };
  readonly clusterId: string;
  readonly node: MeasuredConsensusNode<CommandResult>;
  readonly gossip: () => Pick<GossipNode, "members" | "neighbours">;
  /** A member says that this agent was evicted: until that is settled it goes nowhere by itself. */
  readonly isDoubted: () => boolean;
  readonly stateMachine: InventoryStateMachine;
  readonly submit: (command: Command, by: string) => Promise<CommandResult>;
  readonly witness: ExitWitness;
  /** To whom the end of this agent's last life was attested. */
  readonly hold: Pick<ExitHold, "statements" | "settle" | "clear">;
  readonly fencer: Fencer;
  /** Takes what this agent held in a history that lost. */
  readonly archive: HistoryKeeper;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const confirmMs = 2000;
const demoteMs = 10_000;
const recoverMs = 25_000;
const pollMs = 50;
const doubted = "a member says that this node was removed from the cluster (muster status)";

export class AgentLineage implements LineagePort {
  readonly services: readonly Service[];
  readonly #deps: LineageDeps;
  readonly #driver: LineageDriver;
  readonly #peers: AgentPeers;
  readonly #hold: HoldKeeper;
  readonly #fence: PartnerFence;

  constructor(deps: LineageDeps) {
    const { mesh, node, stateMachine, submit, clusterId } = deps;
    const logger = deps.logger.child({ module: "lineage" });
    const self = mesh.identity.peer;
    const view = stateMachine.view;
    this.#deps = { ...deps, logger };
    const { slowness } = mesh.context;
    this.#peers = lineagePeers(mesh.rpc, (from) => surroundings.heard(from), slowness);
    const { settleExit } = this.#peers;
    const timers = () => view.settings().settings.survivor ?? defaultSurvivorSettings;
    this.#hold = new HoldKeeper({
      ...{ ...deps, logger, settleExit },
      coldMs: () => timers().coldMs,
      silenceMs: () => timers().silenceMs,
    });
    const surroundings = new SurroundingsWatch({
      ...{ ...deps, logger, self, view },
      hasLeader: () => node.hasQuorum,
      holdIsOver: () => this.#hold.isOver(),
      address: () => mesh.host.addresses()[0] ?? "",
    });
    const policy = new InventoryMerge({
      view,
      image: () => stateMachine.image(),
      submit: (command) => submit(command, "merge"),
    });
    this.#driver = new LineageDriver(
      { self, clusterId, timings: defaultTimings },
      {
        ...{ ...deps, logger, engine: node, policy, slowness },
        ...{ peers: this.#peers, surroundings: surroundings.now },
      },
    );
    const { evidence, isWithUs } = this.#driver;
    const keeper = new LineageKeeper({
      ...{ ...deps, logger, view, evidence, isWithUs },
      await: (peers) => this.#await(peers),
    });
    serveLineage(mesh.rpc, {
      driver: this.#driver,
      merge: (page) => policy.merge(page),
      confirm: (generation) => this.#confirm(generation),
      demote: (id) => this.#demote(id),
      settleExit: (by, exit) => this.#driver.settleExit(by, exit),
      recover: (hash) => this.recover(hash),
      heard: surroundings.heard,
    });
    this.#fence = new PartnerFence({
      ...{ ...deps, logger, self },
      isConfigured: () => surroundings.now().settings.fence,
    });
    this.services = [surroundings, this.#hold, this.#driver, keeper, this.#fence];
  }

  mayEvict(partner: string): boolean {
    return this.#fence.mayEvict(partner);
  }

  status(): CoordinatorStatus {
    return this.#driver.status();
  }

  generations(): readonly Generation[] {
    return this.#deps.node.lineage().generations;
  }

  writtenIn(index: number): string {
    const { node, mesh } = this.#deps;
    const { generations, promise } = node.lineage();
    // Who leaves its history applied all it has (`freeze`): beyond what was confirmed, nobody else answers for it.
    const isLeaving = promise !== null && promise.parent === node.generation().id;
    if (isLeaving && index > node.status().commit) return mesh.identity.peer;
    return writtenIn(generations, index);
  }

  isProvisional(): boolean {
    return this.#unsettled().length > 0;
  }

  leftBehind(): readonly PeerId[] {
    const { node, stateMachine } = this.#deps;
    const { lost } = node.status().effective;
    const all = this.#unsettled().flatMap((one) => leftBehind(one, stateMachine.view, lost));
    return [...new Set(all)];
  }

  /** Whom jobs leave alone. Who said that it is in this generation is at work for nobody else. */
  leftBehindAt(): ReadonlyMap<PeerId, Index> {
    const { node, stateMachine } = this.#deps;
    const givenUp = node.status().effective.lost;
    const about = { view: stateMachine.view, givenUp };
    const all = leftBehindAt(this.generations(), this.#unsettled(), about);
    return new Map([...all].filter(([id]) => !this.#driver.isWithUs(id)));
  }

  #await(peers: readonly string[]): void {
    const { coordinator, facts } = this.#driver;
    const now = this.#deps.clock.monotonicMs();
    this.#driver.carryOut(coordinator.greetings.awaited(peers, now, facts.now()));
  }

  /** A generation that left nobody behind goes on with what the one before it did. */
  #unsettled(): readonly Generation[] {
    const { view } = this.#deps.stateMachine;
    return openGenerations(this.generations(), view).filter(isProvisional);
  }

  outlook(): LineageOutlook | null {
    if (this.#deps.isDoubted()) return { why: doubted, waitMs: null };
    const { plan } = this.#driver.status();
    return plan === null ? null : { why: plan.why, waitMs: plan.waitMs };
  }

  async plan(): Promise<SurvivorPlan> {
    const facts = await this.#driver.facts.chained([]);
    if (this.#driver.coordinator.hasLeader(facts)) throw hasQuorum();
    await this.#driver.surveyAll();
    return this.#driver.planNow();
  }

  async recover(hash: string): Promise<Generation> {
    const parent = currentGeneration(this.#deps.node.lineage()).id;
    // To be asked who is left tells the others that a leader has no quorum.
    if (this.#driver.coordinator.hasLeader(this.#driver.facts.now())) throw hasQuorum();
    await this.#driver.surveyAll();
    if ((await this.#driver.planNow()).hash === hash) this.#hold.giveUp();
    const verdict = await this.#driver.recover(hash);
    if (verdict.begun) return this.#entered(parent);
    switch (verdict.reason) {
      case "has-quorum":
        throw hasQuorum();
      case "busy":
        throw new AgentError("CONFLICT", "A change of generation is under way; look again soon");
      case "other":
        return this.#peers.recover(verdict.plan.best, hash);
      case "changed": {
        const message =
          "The plan has changed since it was shown: look at it again, and confirm the new one";
        throw new AgentError("PLAN_CHANGED", message, { hash: verdict.plan.hash });
      }
    }
  }

  /** Resolves when a leader with a quorum is in sight behind `parent`. */
  async #entered(parent: string): Promise<Generation> {
    const { node, clock } = this.#deps;
    const deadlineMs = clock.monotonicMs() + recoverMs;
    while (clock.monotonicMs() < deadlineMs) {
      const generation = currentGeneration(node.lineage());
      if (generation.id !== parent && node.hasQuorum) return generation;
      await delay(clock, pollMs);
    }
    throw new AgentError(
      "UNKNOWN_OUTCOME",
      "The recovery was begun and is not finished: not all of the survivors answered in time. Look at muster operator raft",
    );
  }

  /** On any member of `generation`: does a leader answer there, now? */
  async #confirm(generation: string): Promise<void> {
    const { node } = this.#deps;
    const check = (): void => {
      if (node.generation().id === generation) return;
      throw new AgentError("CONFLICT", "This agent is in another generation");
    };
    check();
    await node.readBarrier(confirmMs);
    check();
  }

  /** On any member of this side: sees to it that its leader counts `node` no more. */
  async #demote(id: PeerId): Promise<Demotion> {
    const { node, clock, mesh } = this.#deps;
    const elsewhere = otherLeader(node.status().leader, mesh.identity.peer);
    if (elsewhere !== null) return this.#peers.demote(elsewhere, id);
    const deadlineMs = clock.monotonicMs() + demoteMs;
    for (;;) {
      const { effective, committed } = node.status();
      const counts = isVoter(effective, id) || isVoter(committed, id);
      if (!counts) break;
      if (!leads(node.status()) || clock.monotonicMs() >= deadlineMs) {
        throw new AgentError("NO_LEADER", "The demotion is not committed yet");
      }
      if (isVoter(effective, id) && effective.index === committed.index) {
        node.proposeConfig({ op: "lose", node: id });
      }
      await delay(clock, pollMs);
    }
    await node.readBarrier(demoteMs); // a deposed leader would tell a position that is too low
    const { lastTerm: term, last: index } = node.status();
    return { generations: node.lineage().generations, commit: { term, index } };
  }
}

function hasQuorum(): AgentError {
  const message = "There is nothing to recover: a leader with a quorum is in sight";
  return new AgentError("CONFLICT", message);
}
