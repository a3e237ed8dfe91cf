/**
 * Runs the coordinator: a clock, the RPCs it asks for, the writes that its decisions are, one after the other. Answers
 * to peers leave after what they say is durable.
 */
import { Background } from "../../base/background.ts";
import { type Clock, delay } from "../../base/clock.ts";
import { AgentError, errorMessage } from "../../base/errors.ts";
import { type Logger } from "../../base/logger.ts";
import { Nap } from "../../base/nap.ts";
import { type Random } from "../../base/random.ts";
import { type Service } from "../../base/service.ts";
import { type Slowness } from "../../base/slowness.ts";
import { type NodeId } from "../core/types.ts";
import { Coordinator } from "../lineage/coordinator.ts";
import { type CoordinatorTimings } from "../lineage/coordinator-timings.ts";
import {
  type AcceptRequest,
  type BallotRequest,
  type CoordinatorEffect,
  type CoordinatorStatus,
  type LocalFacts,
  type RecoverVerdict,
} from "../lineage/coordinator-types.ts";
import { currentGeneration, refOf } from "../lineage/generation.ts";
import {
  type ExitWitness,
  type Fencer,
  type HistoryKeeper,
  type MergePolicy,
  type PromiseAnswer,
  type SettledExit,
} from "../lineage/ports.ts";
import { type RegisterAnswer } from "../lineage/register.ts";
import { type LineageHello, type SurvivorPlan, type Survey } from "../lineage/types.ts";
import { type EnterStep } from "../driver/api.ts";
import { requireOwnBallot } from "./ballot-owner.ts";
import { depart } from "./departure.ts";
import { Evidence } from "./evidence.ts";
import { FactSource } from "./facts.ts";
import { ForeignPeers } from "./foreign-peers.ts";
import { type AgentPeers, type LineageEngine, type Surroundings } from "./ports.ts";
import { Questions } from "./questions.ts";
import { surveyTwice } from "./survey-twice.ts";
import { untilNextTurn } from "./turns.ts";

export interface LineageDriverOptions {
  readonly self: NodeId;
  readonly clusterId: string;
  readonly timings: CoordinatorTimings;
}

export interface LineageDriverDependencies {
  readonly engine: LineageEngine;
  readonly peers: AgentPeers;
  readonly surroundings: () => Surroundings;
  readonly policy: Pick<MergePolicy, "pages">;
  readonly archive: HistoryKeeper;
  readonly witness: ExitWitness;
  readonly fencer: Fencer;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly slowness: Slowness;
}

/** After a change that failed nothing is decided for a moment, or the same would be tried at once. */
const afterFailureMs = 3000;

export class LineageDriver implements Service {
  readonly name = "lineage";
  readonly coordinator: Coordinator;
  readonly facts: FactSource;
  /** Of the generations that this process forced: what was known of those left behind. */
  readonly evidence = new Map<string, SurvivorPlan["lost"]>();
  readonly #options: LineageDriverOptions;
  readonly #deps: LineageDriverDependencies;
  readonly #background: Background;
  readonly #evidence: Evidence;
  readonly #hellos = new Map<NodeId, LineageHello>();
  readonly #questions: Questions;
  readonly #nap = new Nap();
  readonly #foreign = new ForeignPeers();
  #lastChange: Promise<unknown> = Promise.resolve();
  #unsubscribe: () => void = () => undefined;

  constructor(options: LineageDriverOptions, dependencies: LineageDriverDependencies) {
    const { random, clock, logger } = dependencies;
    this.#options = options;
    this.#deps = dependencies;
    this.#background = new Background(logger);
    this.#questions = new Questions(this.#background, logger);
    this.facts = new FactSource(options.self, dependencies);
    this.coordinator = new Coordinator({
      ...options,
      newId: () => Array.from({ length: 32 }, () => random.below(16).toString(16)).join(""),
      wallMs: () => clock.wallMs(),
    });
    this.#evidence = new Evidence({
      ...dependencies,
      proved: (proof) => this.coordinator.proved(proof),
    });
  }

  start(): Promise<void> {
    const { engine } = this.#deps;
    const ends = [
      engine.onForeignGeneration((from) => this.#meetForeign(from)),
      engine.onChange(() => this.#nap.wake()),
    ];
    this.#unsubscribe = () => ends.forEach((end) => end());
    this.#background.run("lineage", async (signal) => {
      for (;;) {
        await this.#tick();
        const isCalm = this.status().state === "normal" && this.facts.now().leader !== null;
        await untilNextTurn({ ...this.#deps, nap: this.#nap }, isCalm, signal);
      }
    });
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.#evidence.close();
    await this.#background.close();
  }

  status(): CoordinatorStatus {
    return this.coordinator.status();
  }

  /** Did `peer` say itself that it is in the generation that this agent is in? */
  readonly isWithUs = (peer: NodeId): boolean => {
    const theirs = this.#hellos.get(peer);
    const { id } = currentGeneration(this.#deps.engine.lineage());
    return theirs !== undefined && currentGeneration(theirs).id === id;
  };

  async hello(by: NodeId, theirs: LineageHello): Promise<LineageHello> {
    if (theirs.from !== by) throw new AgentError("INVALID", `"${by}" spoke for another agent`);
    await this.#greeted(theirs);
    return this.coordinator.hello(await this.facts.comparable(theirs), theirs);
  }

  async survey(by: NodeId, survey: Survey): Promise<Survey> {
    this.coordinator.surveyed(by, survey, this.#now(), this.facts.now());
    return this.#survey();
  }

  prepare(by: NodeId, request: BallotRequest): Promise<PromiseAnswer> {
    requireOwnBallot(by, request);
    return this.exclusively(() =>
      this.#promise(this.coordinator.promise(request, this.facts.now())),
    );
  }

  accept(by: NodeId, request: AcceptRequest): Promise<PromiseAnswer> {
    requireOwnBallot(by, request);
    return this.exclusively(() =>
      this.#promise(this.coordinator.accept(request, this.facts.now())),
    );
  }

  /** @throws AgentError BUSY: this side decides just now. */
  settleExit(by: NodeId, exit: SettledExit): Promise<"void" | "used"> {
    return this.exclusively(async () => {
      const verdict = this.coordinator.settleExit(by, exit, this.facts.now());
      if (verdict.answer === "busy") {
        throw new AgentError("BUSY", "This side decides about a new generation now; ask again");
      }
      const promise = verdict.answer === "void" ? verdict.promise : null;
      if (promise !== null) await this.#deps.engine.promise(promise);
      return verdict.answer;
    });
  }

  /** Asks everybody who is left, so that a plan is about who answers now. */
  surveyAll(): Promise<void> {
    const sinceMs = this.#now();
    const others = this.facts.surroundings.admitted.filter((id) => id !== this.#options.self);
    const isHeard = (id: NodeId): boolean =>
      (this.facts.now().heardMs.get(id) ?? Infinity) < this.#now() - sinceMs;
    return surveyTwice(others, { ask: (to) => this.#askSurvey(to), isHeard });
  }

  /** What an operator would force now. */
  async planNow(): Promise<SurvivorPlan> {
    const facts = await this.#chained();
    return this.coordinator.plan(this.#now(), facts, { operator: true });
  }

  /** Begins to carry out the operator's plan, if it is still the same. */
  async recover(hash: string): Promise<RecoverVerdict> {
    const facts = await this.#chained();
    const verdict = this.coordinator.recover(hash, this.#now(), facts);
    if (verdict.begun) this.carryOut(verdict.effects);
    return verdict;
  }

  carryOut(effects: readonly CoordinatorEffect[]): void {
    for (const effect of effects) this.#do(effect);
  }

  /** One promise or change of generation at a time. */
  exclusively<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#lastChange.then(change, change);
    this.#lastChange = turn.catch(() => undefined);
    return turn;
  }

  async #promise(verdict: RegisterAnswer): Promise<PromiseAnswer> {
    const { engine } = this.#deps;
    const { granted, promise, write } = verdict;
    if (engine.status().engine === "held" && !this.facts.surroundings.holdIsOver) {
      throw new AgentError("CONFLICT", "This agent waits for others before it takes part again");
    }
    if (write && promise !== null) await engine.promise(promise);
    const { term, lastTerm, last: lastIndex, commit } = engine.status();
    return { granted, promise, term, lastTerm, lastIndex, commit };
  }

  /** What goes wrong once must not end survivor mode for good: it is what is left when all else failed. */
  async #tick(): Promise<void> {
    try {
      const facts = await this.#chained();
      this.carryOut(this.coordinator.tick(this.#now(), facts));
    } catch (error) {
      this.#deps.logger.error({ error: errorMessage(error) }, "could not look at the quorum");
    }
  }

  #do(effect: CoordinatorEffect): void {
    const { logger, engine } = this.#deps;
    switch (effect.kind) {
      case "hello":
        return this.#questions.ask(`hello ${effect.to}`, () => this.#sayHello(effect.to));
      case "survey":
        return this.#questions.ask(`survey ${effect.to}`, () => this.#askSurvey(effect.to));
      case "prepare":
      case "accept": {
        const { kind, to, request } = effect;
        return this.#questions.ask(`${kind} ${to} ${request.ballot.counter}`, () =>
          this.#ballot(effect),
        );
      }
      case "enter":
        this.evidence.set(effect.child.id, effect.evidence);
        return this.#enter({ kind: "force", child: effect.child, term: effect.term });
      case "adopt":
        return this.#enter({ kind: "adopt", generations: effect.generations });
      case "confirm":
        return this.#questions.ask(`confirm ${effect.to}`, () =>
          this.#confirm(effect.to, effect.generation),
        );
      case "depart":
        return this.#change("depart", async (signal) => {
          const at = (step: "exporting" | "resync"): void => this.coordinator.departing(step);
          const exclusively = <T>(change: () => Promise<T>): Promise<T> => this.exclusively(change);
          const deps = { ...this.#deps, self: this.#options.self, exclusively };
          await depart(effect.departure, deps, { at, signal });
        });
      case "ask-exit":
        return this.#evidence.askExit(effect.node);
      case "fence":
        return this.#evidence.fence(effect.node, refOf(currentGeneration(engine.lineage())));
      case "log":
        logger[effect.level](effect.data, effect.message);
    }
  }

  #enter(step: EnterStep): void {
    this.#change(step.kind, () => this.exclusively(() => this.#deps.engine.enter(step)));
  }

  /** The coordinator decides nothing until the change is through, or failed. */
  #change(name: string, change: (signal: AbortSignal) => Promise<void>): void {
    const { logger, clock } = this.#deps;
    this.#background.run(name, async (signal) => {
      try {
        await change(signal);
      } catch (error) {
        signal.throwIfAborted();
        const data = { change: name, error: errorMessage(error) };
        logger.error(data, "the change failed; tries again");
        await delay(clock, afterFailureMs, signal);
      }
      this.coordinator.moved(this.#now());
    });
  }

  async #ballot(effect: Extract<CoordinatorEffect, { readonly kind: "prepare" | "accept" }>) {
    const { to } = effect;
    const isOpen = (): boolean => this.coordinator.isUnderWay(effect.request.ballot);
    const peers: Pick<AgentPeers, typeof effect.kind> =
      to === this.#options.self ? this : this.#deps.peers;
    if (effect.kind === "prepare") {
      const answer = await peers.prepare(to, effect.request, isOpen);
      const facts = await this.facts.chained([]);
      this.carryOut(this.coordinator.prepared(to, answer, this.#now(), facts));
    } else {
      const answer = await peers.accept(to, effect.request, isOpen);
      this.carryOut(this.coordinator.accepted(to, answer, this.#now(), this.facts.now()));
    }
  }

  async #sayHello(to: NodeId): Promise<void> {
    const known = this.#hellos.get(to) ?? null;
    const own = this.coordinator.hello(await this.facts.comparable(known), known);
    await this.#greeted(await this.#deps.peers.hello(to, own));
  }

  async #confirm(via: NodeId, generation: string): Promise<void> {
    await this.#deps.peers.confirm(via, generation);
    this.coordinator.meetings.confirmed(via, generation, this.#now());
    await this.#sayHello(via);
  }

  async #greeted(theirs: LineageHello): Promise<void> {
    this.#hellos.set(theirs.from, theirs);
    const facts = await this.facts.comparable(theirs);
    this.carryOut(this.coordinator.greeted(theirs, this.#now(), facts));
  }

  async #askSurvey(to: NodeId): Promise<void> {
    const answer = await this.#deps.peers.survey(to, await this.#survey());
    this.coordinator.surveyAnswered(to, answer, this.#now());
  }

  async #survey(): Promise<Survey> {
    return this.coordinator.survey(this.#now(), await this.#chained());
  }

  #meetForeign(from: NodeId): void {
    if (this.#foreign.isDue(from, this.#now())) this.#do({ kind: "hello", to: from });
  }

  /** Facts of now, with the chains where exits say that logs ended. */
  #chained(): Promise<LocalFacts> {
    return this.facts.chained(this.coordinator.chainsToTell(this.#now(), this.facts.now()));
  }

  #now(): number {
    return this.#deps.clock.monotonicMs();
  }
}
