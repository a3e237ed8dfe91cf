/**
 * Carries the key ring from the replica to this agent's datagram lane, and says in its gossip record that it did. An
 * agent that takes datagrams makes the first key when there is none yet.
 */
import { randomBytes } from "node:crypto";
import { Background } from "../base/background.ts";
import { type Clock, delay } from "../base/clock.ts";
import { errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type Service } from "../base/service.ts";
import { type DatagramUse, type GossipNode } from "../gossip/ports.ts";
import { type Command, type CommandResult } from "../inventory/commands.ts";
import { type KeyringRecord } from "../inventory/keyring.ts";
import { keysTag, keysTagOf } from "../inventory/keyring-progress.ts";
import { type AppliedListener, type InventoryView } from "../inventory/view.ts";
import { type DatagramLane } from "../p2p/datagram-lane.ts";
import { keyRingSecretBytes } from "../p2p/key-ring.ts";

export interface KeyWatchDeps {
  readonly self: PeerId;
  /** What this agent does with datagrams once it has a key. */
  readonly use: DatagramUse;
  readonly view: Pick<InventoryView, "keyring">;
  readonly onApplied: (listener: AppliedListener) => () => void;
  readonly lane: Pick<DatagramLane, "isOpen" | "setRing">;
  readonly gossip: Pick<GossipNode, "member" | "setTags" | "setDatagrams">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly submit: (command: Command) => Promise<CommandResult>;
  /** Resolves when this replica has all that was committed. @throws AgentError NO_LEADER. */
  readonly readBarrier: (timeoutMs: number) => Promise<void>;
}

const retryMs = 2000;

export function newKeyringSecret(): string {
  return randomBytes(keyRingSecretBytes).toString("hex");
}

export class KeyWatch implements Service {
  readonly name = "key-watch";
  readonly #deps: KeyWatchDeps;
  readonly #background: Background;
  /** By identity: in another history the same version can be another ring. */
  #taken: KeyringRecord | null = null;
  #unsubscribe: () => void = () => undefined;

  constructor(deps: KeyWatchDeps) {
    this.#deps = deps;
    this.#background = new Background(deps.logger);
  }

  start(): Promise<void> {
    if (!this.#deps.lane.isOpen) return Promise.resolve();
    this.#unsubscribe = this.#deps.onApplied(() => this.#look());
    this.#look();
    this.#background.run("first key", async (signal) => {
      while (this.#deps.view.keyring() === null) {
        await delay(this.#deps.clock, retryMs, signal);
        if (this.#deps.view.keyring() === null) await this.#create();
      }
    });
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#unsubscribe();
    return this.#background.close();
  }

  #look(): void {
    const ring = this.#deps.view.keyring();
    if (ring === null || ring === this.#taken) return;
    this.#taken = ring;
    this.#take(ring);
  }

  #take(ring: KeyringRecord): void {
    const { self, use, lane, gossip } = this.#deps;
    const keys = ring.keys.map(({ id, secret }) => ({ id, secret: Buffer.from(secret, "hex") }));
    lane.setRing({ keys, sealing: ring.sealing });
    gossip.setTags({ ...gossip.member(self)?.tags, [keysTag]: keysTagOf(ring) });
    gossip.setDatagrams(use);
  }

  /** A replica that lags misses what is there: of newcomers each would write an entry that all others take for nothing. */
  async #create(): Promise<void> {
    const { submit, readBarrier, view, logger } = this.#deps;
    const secret = newKeyringSecret();
    try {
      await readBarrier(retryMs);
      if (view.keyring() !== null) return;
      await submit({ type: "keyring.change", step: "create", key: 1, secret });
    } catch (error) {
      logger.debug({ error: errorMessage(error) }, "no key for datagrams yet");
    }
  }
}
