/**
 * What the other agents told, and how fresh it is: their surveys, when they last asked and answered, and which of them
 * proved to be out of the way. Pure bookkeeping; the coordinator decides.
 */
import { type Index, type NodeId } from "../core/types.ts";
import { type GenerationRef, type LineageHello, type Proof, type Survey } from "./types.ts";

interface PeerView {
  survey: Survey | null;
  surveyAt: number;
  /** The peer asked this agent, and answered it. */
  askedAt: number;
  answeredAt: number;
  helloAt: number;
}

const maxRenounced = 1024;

export class PeerViews {
  readonly #views = new Map<NodeId, PeerView>();
  readonly #proofs = new Map<NodeId, Proof>();
  /** Nonces of exits that this agent has said it will not use; the newest, a late statement comes within seconds. */
  readonly #renounced = new Set<string>();
  readonly #self: NodeId;

  constructor(self: NodeId) {
    this.#self = self;
  }

  asked(by: NodeId, now: number): void {
    this.#view(by).askedAt = now;
  }

  answered(by: NodeId, now: number): void {
    this.#view(by).answeredAt = now;
  }

  told(survey: Survey, now: number): void {
    const view = this.#view(survey.from);
    view.survey = survey;
    view.surveyAt = now;
    // An exit or a fence was for a process that is no more: this one is alive.
    const proof = this.#proofs.get(survey.from);
    if (proof !== undefined && proof.kind !== "departed") this.#proofs.delete(survey.from);
  }

  /** A peer told where it is. `elsewhere`: its history went another way than this agent's. */
  greeted(hello: LineageHello, current: GenerationRef, elsewhere: boolean, now: number): void {
    this.#view(hello.from).helloAt = now;
    const at = hello.generations.findIndex(({ id }) => id === current.id);
    const wentOn = at >= 0 && at < hello.generations.length - 1;
    if (wentOn || elsewhere) {
      // In this generation it acts no more, or never did: it comes back by starting over, if at all.
      const { n, id } = current;
      this.#proofs.set(hello.from, { kind: "departed", node: hello.from, generation: { n, id } });
    } else if (this.#proofs.get(hello.from)?.kind === "departed") this.#proofs.delete(hello.from);
  }

  helloDue(peer: NodeId, now: number, everyMs: number): boolean {
    return now - this.#view(peer).helloAt >= everyMs;
  }

  /** Those of `peers` that are due, who waits longest first. */
  longestUngreeted(peers: readonly NodeId[], now: number, everyMs: number): readonly NodeId[] {
    return peers
      .filter((peer) => this.helloDue(peer, now, everyMs))
      .sort((a, b) => this.#view(a).helloAt - this.#view(b).helloAt || 0);
  }

  helloSent(peer: NodeId, now: number): void {
    this.#view(peer).helloAt = now;
  }

  /** Everybody is due. */
  greetAll(): void {
    for (const view of this.#views.values()) view.helloAt = -Infinity;
  }

  prove(proof: Proof): void {
    if (proof.kind === "exit" && this.#renounced.has(proof.statement.nonce)) return;
    this.#proofs.set(proof.node, proof);
  }

  /** `node` is back, and was told that its exit will not be used. */
  renounce(node: NodeId, nonce: string): void {
    this.#proofs.delete(node);
    this.#renounced.add(nonce);
    const [oldest] = this.#renounced;
    if (this.#renounced.size > maxRenounced && oldest !== undefined) this.#renounced.delete(oldest);
  }

  hasRenounced(nonces: readonly string[]): boolean {
    return nonces.some((nonce) => this.#renounced.has(nonce));
  }

  proofs(current: string): readonly Proof[] {
    return [...this.#proofs.values()].filter((proof) => generationOf(proof) === current);
  }

  /** Where attested exits say that logs ended: of this agent's proofs, and of those that others tell. */
  exitsAt(now: number, freshMs: number): readonly Index[] {
    const told = this.surveys(now, freshMs).flatMap(({ proofs }) => proofs);
    return [...this.#proofs.values(), ...told].flatMap((proof) =>
      proof.kind === "exit" ? [proof.statement.lastIndex] : [],
    );
  }

  /** Members that asked and answered within `freshMs`. */
  twoWay(now: number, freshMs: number): readonly NodeId[] {
    return [...this.#views]
      .filter(([, view]) => now - Math.min(view.askedAt, view.answeredAt) <= freshMs)
      .map(([id]) => id)
      .sort();
  }

  /** The latest surveys of others that are still true enough to plan with. */
  surveys(now: number, freshMs: number): readonly Survey[] {
    const fresh: Survey[] = [];
    for (const { survey, surveyAt } of this.#views.values()) {
      if (survey !== null && now - surveyAt <= freshMs) fresh.push(survey);
    }
    return fresh;
  }

  #view(id: NodeId): PeerView {
    const known = this.#views.get(id);
    if (known !== undefined) return known;
    const never = -Infinity;
    const view: PeerView = {
      ...{ survey: null, surveyAt: never, askedAt: never, answeredAt: never, helloAt: never },
    };
    if (id !== this.#self) this.#views.set(id, view);
    return view;
  }
}

function generationOf(proof: Proof): string {
  return proof.kind === "exit" ? proof.statement.generation.id : proof.generation.id;
}
