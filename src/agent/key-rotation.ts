/**
 * The leader's part in a rotation of the datagrams' keys: takes the next step when all members that need the key say
 * that they have done the present one, and begins a rotation when somebody was evicted who knows the key in use. Keeps
 * nothing: a new leader reads in the inventory how far the last one got.
 */
import { Background } from "../base/background.ts";
import { type Clock, delay, untilBeat } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type Logger } from "../base/logger.ts";
import { type Service } from "../base/service.ts";
import { type GossipNode } from "../gossip/ports.ts";
import { type Command, type CommandResult } from "../inventory/commands.ts";
import { keyProgress } from "../inventory/keyring-progress.ts";
import { type InventoryView } from "../inventory/view.ts";
import { newKeyringSecret } from "./key-watch.ts";

export interface KeyRotationDeps {
  readonly view: Pick<InventoryView, "keyring" | "members">;
  readonly gossip: Pick<GossipNode, "members">;
  readonly isLeader: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly submit: (command: Command) => Promise<CommandResult>;
}

const periodMs = 500;
/** No rotation is under way, or another agent leads. */
const idleMs = 2000;
/** Nobody seals with the old key any more; what was sealed with it may still be on its way. */
const drainMs = 2000;

export class KeyRotation implements Service {
  readonly name = "key-rotation";
  readonly #deps: KeyRotationDeps;
  readonly #background: Background;

  constructor(deps: KeyRotationDeps) {
    this.#deps = deps;
    this.#background = new Background(deps.logger);
  }

  start(): Promise<void> {
    this.#background.run("key rotation", async (signal) => {
      for (;;) {
        const { view, isLeader, clock } = this.#deps;
        const isIdle = (view.keyring()?.rotation ?? null) === null || !isLeader();
        await delay(clock, untilBeat(clock, isIdle ? idleMs : periodMs), signal);
        await this.#turn(signal);
      }
    });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return this.#background.close();
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { view, clock } = this.#deps;
    const rotation = view.keyring()?.rotation ?? null;
    if (rotation === null) return this.#rotateAfterEviction();
    if (!this.#isDue()) return;
    if (rotation.step === "use") {
      await delay(clock, drainMs, signal);
      if (!this.#isDue()) return;
    }
    const step = rotation.step === "install" ? "use" : "remove";
    await this.#change({ type: "keyring.change", step, key: rotation.key, secret: null });
  }

  /** Who was evicted could go on reading datagrams, and send them in others' names. */
  async #rotateAfterEviction(): Promise<void> {
    const { view, isLeader } = this.#deps;
    const ring = view.keyring();
    const key = ring?.keys.find(({ id }) => id === ring.sealing);
    if (!isLeader() || ring === null || key === undefined) return;
    const isKnownOutside = view
      .members()
      .some(({ status, version }) => status === "evicted" && version > key.createdIndex);
    if (!isKnownOutside) return;
    const secret = newKeyringSecret();
    await this.#change({ type: "keyring.change", step: "install", key: ring.epoch + 1, secret });
  }

  async #change(change: Command): Promise<void> {
    const { submit, logger } = this.#deps;
    try {
      const result = await submit(change);
      if (!result.ok) logger.debug({ code: result.code }, "step of the key rotation refused");
    } catch (error) {
      logger.debug({ error: errorMessage(error) }, "step of the key rotation not taken yet");
    }
  }

  #isDue(): boolean {
    const { view, gossip, isLeader } = this.#deps;
    const ring = view.keyring();
    if (!isLeader() || ring === null || ring.rotation === null) return false;
    return keyProgress(ring, gossip.members()).waitingFor.length === 0;
  }
}
