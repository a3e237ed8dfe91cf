/**
 * Copies of ended transcripts, so that the log of a dead node can be read. The node that ran the action asks
 * further peers, and each pulls: a receiver takes at its own pace, and what fails is asked of the next one.
 */
import { errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { engineError } from "./errors.ts";
import { type TranscriptStore } from "./ports.ts";
import { type TranscriptPeers } from "./transcript-reader.ts";

export interface CopyPeers extends TranscriptPeers {
  /** Peers that may hold copies now, best first; without ourselves. */
  candidates(): readonly PeerId[];
  /** Asks a peer to pull the transcript of a run from us; resolves when it has all of it. */
  requestCopy(peer: PeerId, run: string, signal: AbortSignal): Promise<void>;
}

const partBytes = 256 * 1024;
const pulledAtOnce = 4;
const waitMs = 1000;

export class TranscriptCopies {
  readonly #store: TranscriptStore;
  readonly #peers: CopyPeers;
  readonly #logger: Logger;
  readonly #pulling = new Map<string, Promise<void>>();

  constructor(dependencies: {
    readonly store: TranscriptStore;
    readonly peers: CopyPeers;
    readonly logger: Logger;
  }) {
    this.#store = dependencies.store;
    this.#peers = dependencies.peers;
    this.#logger = dependencies.logger;
  }

  /** Puts an ended run's transcript on `count` peers; gives those that have it, which may be fewer. */
  async spread(run: string, count: number, signal: AbortSignal): Promise<readonly PeerId[]> {
    const holders: PeerId[] = [];
    for (const peer of this.#peers.candidates()) {
      if (holders.length >= count) break;
      try {
        await this.#peers.requestCopy(peer, run, signal);
        holders.push(peer);
      } catch (error) {
        signal.throwIfAborted();
        this.#logger.debug({ run, peer, error: errorMessage(error) }, "a peer took no copy");
      }
    }
    return holders;
  }

  /** What `requestCopy` does at the other end: pulls the transcript of `run` from `holder`. */
  async pull(run: string, holder: PeerId, signal: AbortSignal): Promise<void> {
    if (await this.#store.has(run)) return;
    let pulling = this.#pulling.get(run);
    if (pulling === undefined) {
      if (this.#pulling.size >= pulledAtOnce) {
        throw engineError(
          "OVERLOADED",
          `${pulledAtOnce} transcripts are being copied; ask another peer`,
        );
      }
      pulling = this.#pull(run, holder, signal).finally(() => this.#pulling.delete(run));
      this.#pulling.set(run, pulling);
    }
    await pulling;
  }

  async #pull(run: string, holder: PeerId, signal: AbortSignal): Promise<void> {
    for (let offset = 0; ; ) {
      signal.throwIfAborted();
      const part = await this.#peers.remoteRead(holder, run, {
        offset,
        maxBytes: partBytes,
        waitMs,
        signal,
      });
      await this.#store.writeCopy(run, part);
      if (part.complete) return;
      if (part.nextOffset <= offset) {
        throw engineError(
          "BAD_REQUEST",
          `Run "${run}" has not ended on ${holder}; it cannot be copied`,
        );
      }
      offset = part.nextOffset;
    }
  }
}
