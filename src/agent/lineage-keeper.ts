/**
 * What a leader does about its generation, and those that led to it: it writes down how each began, and settles it when
 * everybody who was left behind is back or was forgotten. Until then the history is provisional: another one may yet
 * turn out to win, also when the latest generation itself left nobody behind that was not proven to be gone.
 */
import { Background } from "../base/background.ts";
import { type Clock, delay, untilBeat } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { asPeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { Nap } from "../base/nap.ts";
import { type Service } from "../base/service.ts";
import { type ConsensusNode, leads } from "../consensus/driver/api.ts";
import { replicationTargets } from "../consensus/core/configuration.ts";
import { isProvisional } from "../consensus/lineage/generation.ts";
import { type Generation, type SurvivorPlan } from "../consensus/lineage/types.ts";
import { type Command, type CommandResult } from "../inventory/commands.ts";
import { type InventoryView } from "../inventory/view.ts";
import { leftBehind } from "./left-behind.ts";
import { openGenerations } from "./open-generations.ts";

export interface LineageKeeperDeps {
  readonly node: Pick<ConsensusNode<CommandResult>, "status" | "lineage" | "onChange">;
  readonly view: InventoryView;
  readonly evidence: ReadonlyMap<string, SurvivorPlan["lost"]>;
  /** It said itself that it is in this generation. */
  readonly isWithUs: (peer: string) => boolean;
  /** Asks members that did not say so yet; few at a time. */
  readonly await: (peers: readonly string[]) => void;
  readonly submit: (command: Command, by: string) => Promise<CommandResult>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The record of a generation should be among its first entries: while one is to be written or settled. */
const busyMs = 100;
/** Else; a change of leader or generation is heard of at once. */
const idleMs = 2000;
/** After a refusal: asking again costs an entry. */
const refusedMs = 10_000;

export class LineageKeeper implements Service {
  readonly name = "lineage-keeper";
  readonly #deps: LineageKeeperDeps;
  readonly #background: Background;
  readonly #nap = new Nap();
  readonly #told = new Set<string>();
  #isRefused = false;
  #unsubscribe: () => void = () => undefined;

  constructor(deps: LineageKeeperDeps) {
    this.#deps = deps;
    this.#background = new Background(deps.logger);
  }

  start(): Promise<void> {
    this.#unsubscribe = this.#deps.node.onChange(() => this.#nap.wake());
    this.#background.run("lineage keeper", async (signal) => {
      for (;;) {
        await this.#pause(signal);
        try {
          await this.#look();
        } catch (error) {
          this.#deps.logger.debug({ error: errorMessage(error) }, "could not write it down yet");
        }
      }
    });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#unsubscribe();
    return this.#background.close();
  }

  #pause(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    if (this.#isRefused) return this.#nap.take(clock, refusedMs, signal);
    if (this.#isBusy()) return delay(clock, busyMs, signal);
    return this.#nap.take(clock, untilBeat(clock, idleMs), signal);
  }

  /** This agent leads a generation whose story is not written to its end. */
  #isBusy(): boolean {
    return this.#open().length > 0 && leads(this.#deps.node.status());
  }

  #open(): readonly Generation[] {
    const { node, view } = this.#deps;
    return openGenerations(node.lineage().generations, view);
  }

  async #look(): Promise<void> {
    this.#isRefused = false;
    if (!leads(this.#deps.node.status())) return;
    for (const generation of this.#open()) await this.#goOnWith(generation);
  }

  async #goOnWith(generation: Generation): Promise<void> {
    const { view, logger } = this.#deps;
    const record = view.generation(generation.id);
    if (record === null) {
      const evidence = this.#evidence(generation);
      const by = generation.kind === "forced-operator" ? "operator" : "controller";
      if (
        !(await this.#write({ type: "generation.begin", generation, evidence }, by, generation.id))
      )
        return;
      const { n, kind, lost, missingAtMost } = generation;
      logger.warn({ n, kind, lost, missingAtMost }, "went on without members that were lost");
      return;
    }
    if (!isProvisional(generation)) return;
    const reason = this.#wholeAgain(generation);
    if (reason === null) return;
    const settled = { type: "generation.settled", id: generation.id, reason } as const;
    if (!(await this.#write(settled, "controller", generation.id))) return;
    logger.info({ n: generation.n, reason }, "the generation is settled");
  }

  /** False when the inventory refuses it. That is asked again after a while, and said once. */
  async #write(command: Command, by: string, id: string): Promise<boolean> {
    const result = await this.#deps.submit(command, by);
    if (result.ok) return true;
    const { code, message: why } = result;
    this.#isRefused = true;
    const told = `${command.type} ${id} ${code}`;
    if (this.#told.has(told)) return false;
    this.#told.add(told);
    const data = { command: command.type, generation: id, code, why };
    this.#deps.logger.warn(data, "a word about a generation is refused");
    return false;
  }

  #evidence({ id, lost }: Generation) {
    const known = this.#deps.evidence.get(id);
    const listed = known ?? lost.map((node) => ({ id: node, silentMs: null, proof: null }));
    return listed.map(({ id: node, silentMs, proof }) => ({
      node: asPeerId(node),
      silentMs: silentMs === null ? null : Math.round(silentMs),
      proof,
    }));
  }

  /** Why it may be settled; null when it may not be yet. */
  #wholeAgain(generation: Generation): string | null {
    const { view, node } = this.#deps;
    const { effective, peers } = node.status();
    const places = replicationTargets(effective);
    const behind = leftBehind(generation, view, effective.lost);
    // In a large cluster there is no place for everybody: who has none is back when it says so.
    const silent = behind.filter((id) => !places.includes(id) && !this.#deps.isWithUs(id));
    if (silent.length > 0) this.#deps.await(silent);
    const late = behind.filter((id) => places.includes(id) && peers.get(id)?.caughtUp !== true);
    if (silent.length + late.length > 0) return null;
    return generation.lost.length === 0
      ? "nobody was left behind"
      : "everybody is back or was forgotten";
  }
}
