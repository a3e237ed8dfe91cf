/**
 * Decides what an agent does when no quorum is in sight, and when it meets another history (consensus.md §2.5, §2.7).
 * Synchronous and pure: ticks, answers and facts in, effects as data out; the driver carries them out one after the
 * other. While a change of generation is under way (`busy`) nothing else is decided.
 */
import { type Index, type NodeId } from "../core/types.ts";
import { BallotRound, type RoundStep } from "./ballot-round.ts";
import { compareLineage } from "./compare.ts";
import { type CoordinatorTimings, scaledTimings } from "./coordinator-timings.ts";
import {
  type AcceptRequest,
  type BallotRequest,
  type CoordinatorEffect,
  type CoordinatorState,
  type CoordinatorStatus,
  type LocalFacts,
  type RecoverVerdict,
} from "./coordinator-types.ts";
import { childGeneration, currentGeneration, withGeneration } from "./generation.ts";
import { type ExitVerdict, exitVerdict } from "./exit-verdict.ts";
import { Greetings } from "./greetings.ts";
import { QuorumDoubt } from "./quorum-doubt.ts";
import { QuorumLoss } from "./quorum-loss.ts";
import { Meetings } from "./meetings.ts";
import { PeerViews } from "./peer-views.ts";
import { type PromiseAnswer, type SettledExit } from "./ports.ts";
import { seekProofs } from "./seek-proofs.ts";
import { onAccept, onPrepare, type RegisterAnswer } from "./register.ts";
import { SurveyRounds } from "./survey-rounds.ts";
import { currentPromise, helloOf, participants, registerState, surveyOf } from "./self-report.ts";
import { planSurvivors } from "./survivor-plan.ts";
import {
  type Ballot,
  type Generation,
  type LineageHello,
  type Proof,
  type Survey,
  type SurvivorPlan,
} from "./types.ts";

export interface CoordinatorOptions {
  readonly self: NodeId;
  readonly clusterId: string;
  readonly timings: CoordinatorTimings;
  /** 32 random hex digits. */
  readonly newId: () => string;
  /** Wall clock, for operators only. */
  readonly wallMs: () => number;
}

type Effects = readonly CoordinatorEffect[];
const none: Effects = [];
export class Coordinator {
  readonly meetings: Meetings;
  readonly greetings: Greetings;
  readonly #options: CoordinatorOptions;
  readonly #peers: PeerViews;
  readonly #doubt = new QuorumDoubt();
  readonly #surveys = new SurveyRounds();
  #state: CoordinatorState = "wait-peers";
  readonly #loss = new QuorumLoss();
  #plan: SurvivorPlan | null = null;
  #round: BallotRound | null = null;
  #highestCounter = 0;
  /** A change of generation is being carried out. */
  #busy: "forcing" | "superseded" | "exporting" | "resync" | null = null;
  #retryAt = 0;
  #told = "";

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#peers = new PeerViews(options.self);
    this.greetings = new Greetings(options, this.#peers);
    this.meetings = new Meetings(options.self);
  }

  status(): CoordinatorStatus {
    return { state: this.#state, plan: this.#plan };
  }

  /** A leader with a quorum, as far as it says itself. */
  hasLeader(facts: LocalFacts): boolean {
    return this.#doubt.of(facts).leader !== null;
  }

  tick(now: number, seen: LocalFacts): Effects {
    const { timings } = this.#options;
    this.#doubt.tick(now, scaledTimings(timings, seen).freshMs);
    const facts = this.#doubt.of(seen);
    this.#loss.look(now, facts.leader);
    if (this.#busy !== null) return this.#enter(this.#busy, none);
    const promised = currentPromise(facts.lineage) !== null;
    if (facts.leader !== null && !promised) return this.#enter("normal", this.#normal(now, facts));
    const { hadLeader } = this.#loss;
    if (!promised && this.#loss.isYoung(now, timings, facts)) {
      return this.#enter(hadLeader ? "no-quorum" : "wait-peers", this.greetings.calm(now, facts));
    }
    const found = this.#search(now, facts);
    const waiting = hadLeader || this.#plan === null ? "survey" : "wait-peers";
    return this.#enter(promised || this.#round !== null ? "promised" : waiting, found);
  }

  /** A hello, as question or as answer. The caller answers a question with `hello`. */
  greeted(theirs: LineageHello, now: number, seen: LocalFacts): Effects {
    this.#doubt.greeted(theirs);
    const facts = this.#doubt.of(seen);
    this.#highestCounter = Math.max(this.#highestCounter, theirs.promise?.ballot.counter ?? 0);
    const relation = compareLineage(helloOf(this.#options, facts, theirs), theirs);
    const elsewhere = relation.relation === "diverged";
    this.#peers.greeted(theirs, currentGeneration(facts.lineage), elsewhere, now);
    if (this.#busy !== null) return none;
    const next = this.meetings.judge(theirs, relation, facts, {
      now,
      quorumLost: this.#loss.lastedMs(now) >= this.#options.timings.quorumLossMs,
      underBallot: this.#round !== null,
    });
    const adopts = next.some(({ kind }) => kind === "adopt");
    if (!adopts && !next.some(({ kind }) => kind === "depart")) return next;
    this.#busy = adopts ? "resync" : "superseded";
    this.#round = null;
    return this.#enter(this.#busy, next);
  }

  /** @param peer its last hello, so that this one carries what it takes to compare; null at first contact. */
  hello(facts: LocalFacts, peer: LineageHello | null): LineageHello {
    return helloOf(this.#options, this.#doubt.of(facts), peer);
  }

  surveyed(by: NodeId, survey: Survey, now: number, facts: LocalFacts): void {
    if (survey.from !== by) return;
    this.#doubt.surveyed(by, facts, now);
    this.#loss.asked();
    this.#peers.asked(by, now);
    this.#peers.told(survey, now);
  }

  surveyAnswered(by: NodeId, survey: Survey, now: number): void {
    if (survey.from !== by) return;
    this.#peers.answered(by, now);
    this.#peers.told(survey, now);
  }

  survey(now: number, facts: LocalFacts): Survey {
    const { freshMs } = scaledTimings(this.#options.timings, facts);
    return surveyOf(this.#options.self, facts, {
      twoWay: this.#peers.twoWay(now, freshMs),
      proofs: this.#peers.proofs(currentGeneration(facts.lineage).id),
      exitsAt: this.#peers.exitsAt(now, freshMs),
    });
  }

  /** Indices whose chains the next survey or plan needs. */
  chainsToTell(now: number, facts: LocalFacts): readonly Index[] {
    return this.#peers.exitsAt(now, scaledTimings(this.#options.timings, facts).freshMs);
  }

  /** A peer asks for a promise. The caller makes a new one durable, and only then answers. */
  promise(request: BallotRequest, facts: LocalFacts): RegisterAnswer {
    this.#highestCounter = Math.max(this.#highestCounter, request.ballot.counter);
    const state = registerState(facts);
    // With a quorum in sight there is no reason to leave; in the middle of a change there is no place to leave.
    const stays = this.hasLeader(facts) || this.#busy !== null;
    return stays || this.#peers.hasRenounced(request.exits)
      ? { granted: false, promise: state.promise, write: false }
      : onPrepare(state, request);
  }

  accept(request: AcceptRequest, facts: LocalFacts): RegisterAnswer {
    const state = registerState(facts);
    if (state.generation.id === request.child.id) {
      return { granted: true, promise: state.promise, write: false }; // it is there already
    }
    if (this.#busy !== null) return { granted: false, promise: state.promise, write: false };
    return onAccept(state, request);
  }

  prepared(by: NodeId, answer: PromiseAnswer, now: number, facts: LocalFacts): Effects {
    const round = this.#round;
    return round === null ? none : this.#advance(round, round.prepared(by, answer), now, facts);
  }

  accepted(by: NodeId, answer: PromiseAnswer, now: number, facts: LocalFacts): Effects {
    const round = this.#round;
    return round === null ? none : this.#advance(round, round.accepted(by, answer), now, facts);
  }

  /** Whether answers to this ballot of its own are still waited for. */
  isUnderWay(ballot: Ballot): boolean {
    return this.#round?.ballot === ballot;
  }

  proved(proof: Proof): void {
    this.#peers.prove(proof);
  }

  /** `by` is back and asks whether this side went on without it. */
  settleExit(by: NodeId, { nonce, generation }: SettledExit, { lineage }: LocalFacts): ExitVerdict {
    const deciding = this.#busy !== null || this.#round !== null;
    const ballot = { counter: (this.#highestCounter += 1), node: this.#options.self };
    const verdict = exitVerdict(by, generation, lineage, { deciding, ballot });
    if (verdict.answer === "void") this.#peers.renounce(by, nonce);
    return verdict;
  }

  /** The driver is so far with a departure. */
  departing(step: "exporting" | "resync"): void {
    if (this.#busy !== null) this.#enter((this.#busy = step), none);
  }

  /** The change of generation that an effect asked for was carried out, or could not be. */
  moved(now: number): void {
    this.#busy = null;
    this.#round = null;
    this.#plan = null;
    this.#loss.restart(now);
    this.#surveys.restart();
    this.#peers.greetAll();
  }

  /** What would be done now: by itself, or on the operator's word, who does not wait for silence. */
  plan(now: number, facts: LocalFacts, options: { readonly operator: boolean }): SurvivorPlan {
    const { freshMs } = scaledTimings(this.#options.timings, facts);
    const surveys = [this.survey(now, facts), ...this.#peers.surveys(now, freshMs)];
    const { policy, timers, hold } = facts.settings;
    const promises = surveys.map(({ promise }) => promise?.ballot.counter ?? 0);
    this.#highestCounter = Math.max(this.#highestCounter, ...promises);
    return planSurvivors(surveys, this.#options.self, { policy, timers }, { ...options, hold });
  }

  /** Carries out the plan that the operator was shown, if it is still the same. */
  recover(hash: string, now: number, facts: LocalFacts): RecoverVerdict {
    if (this.hasLeader(facts)) return { begun: false, reason: "has-quorum" };
    if (this.#busy !== null) return { begun: false, reason: "busy" };
    const plan = this.plan(now, facts, { operator: true });
    if (plan.hash !== hash || !plan.act) return { begun: false, reason: "changed", plan };
    if (plan.best !== this.#options.self) return { begun: false, reason: "other", plan };
    return { begun: true, effects: this.#begin(plan, now, facts) };
  }

  /** A quorum is in sight: only keep in touch, so that other histories are noticed. */
  #normal(now: number, facts: LocalFacts): Effects {
    this.#round = null;
    this.#plan = null;
    this.#surveys.restart();
    return this.greetings.calm(now, facts);
  }

  /** No quorum: survey, plan, and begin when the plan says so and this agent has the best log. */
  #search(now: number, facts: LocalFacts): Effects {
    const { surveyMs, fenceAfterMs } = scaledTimings(this.#options.timings, facts);
    if (this.#round !== null && now >= this.#round.deadlineMs) {
      this.#giveUp("no answer in time", now);
    }
    const { self } = this.#options;
    const round = this.#surveys.begins(now, surveyMs, participants(self, facts));
    const asked = this.#surveys.next(self, facts);
    const effects: CoordinatorEffect[] = [...this.greetings.anxious(asked, now, facts)];
    for (const to of asked) effects.push({ kind: "survey", to });
    if (round === null) return effects;
    const plan = this.plan(now, facts, { operator: false });
    // Others are alone only when they had the chance to answer; who is gone may be known to be by then.
    if (round === "first") return [...effects, ...seekProofs(self, plan, facts, false)];
    this.#plan = plan;
    const mayFence = this.#loss.hadLeader && this.#loss.lastedMs(now) >= fenceAfterMs;
    effects.push(...seekProofs(self, plan, facts, mayFence), ...this.#tell(plan));
    const mayBegin = this.#round === null && now >= this.#retryAt;
    if (plan.act && mayBegin && plan.best === self) {
      effects.push(...this.#begin(plan, now, facts));
    }
    return effects;
  }

  #begin(plan: SurvivorPlan, now: number, facts: LocalFacts): Effects {
    const counter = this.#highestCounter + 1;
    this.#highestCounter = counter;
    const deadlineMs = now + scaledTimings(this.#options.timings, facts).roundMs;
    this.#round = new BallotRound({ counter, node: this.#options.self }, plan, deadlineMs);
    const data = { survivors: plan.survivors, lost: plan.lost, why: plan.why, ballot: counter };
    const message = "no quorum is left: asks the survivors for a new generation";
    return [{ kind: "log", level: "warn", message, data }, ...this.#round.begin()];
  }

  #advance(round: BallotRound, step: RoundStep, now: number, facts: LocalFacts): Effects {
    switch (step.kind) {
      case "wait":
        return none;
      case "ask":
        return step.effects;
      case "prepared":
        return round.propose(step.finish ?? this.#child(round.plan, step.commit, facts));
      case "accepted":
        return this.#force(round, step, facts);
      case "conflict": {
        const own = currentPromise(facts.lineage)?.accepted?.child ?? null;
        return own === null
          ? this.#giveUp("the survivors accepted different generations", now)
          : this.#force(round, { child: own, term: facts.term + 1 }, facts);
      }
      case "failed":
        this.#highestCounter = Math.max(this.#highestCounter, step.highest);
        return this.#giveUp(step.why, now);
    }
  }

  #child(plan: SurvivorPlan, commit: number, facts: LocalFacts): Generation {
    const { lastTerm: term, lastIndex: index, chainAt } = facts;
    const fork = { index, term, chain: chainAt(index) ?? "", commit };
    return childGeneration(plan, fork, { id: this.#options.newId(), at: this.#options.wallMs() });
  }

  /**
   * Only its coordinator may write the first entry of a child: another one's, in another term, could replace what a
   * quorum of the child has committed behind the first. Who finishes another's child follows into it; if that child's
   * coordinator stays away, those who are here begin a child of it.
   */
  #force(
    { plan }: BallotRound,
    { child, term }: { readonly child: Generation; readonly term: number },
    facts: LocalFacts,
  ): Effects {
    this.#busy = "forcing";
    // Not with a log that lost its end since it was accepted.
    const own = child.coordinator === this.#options.self && child.forkIndex === facts.lastIndex;
    const generations = withGeneration(facts.lineage.generations, child);
    return this.#enter("forcing", [
      own ? { kind: "enter", child, term, evidence: plan.lost } : { kind: "adopt", generations },
    ]);
  }

  /** Those who promised stay fenced; a later ballot, of whoever is best then, decides. */
  #giveUp(why: string, now: number): Effects {
    this.#round = null;
    this.#retryAt = now + this.#options.timings.surveyMs;
    return [{ kind: "log", level: "info", message: "the ballot came to nothing", data: { why } }];
  }

  /** Says what it waits for once per reason. */
  #tell({ act, why }: SurvivorPlan): Effects {
    const text = why.replace(/\d+/g, "#");
    if (text === this.#told || act) return none;
    this.#told = text;
    return [{ kind: "log", level: "warn", message: "no quorum is in sight", data: { why } }];
  }

  #enter(state: CoordinatorState, effects: Effects): Effects {
    this.#state = state;
    if (state === "normal") this.#told = "";
    return effects;
  }
}
