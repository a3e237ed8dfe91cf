/**
 * A run's output wherever it is: on this machine, or with one of the peers that hold it. A holder that cannot
 * be asked, or whose copy is damaged, is passed over; offsets are the same everywhere, so reading goes on.
 */
import { errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { engineError } from "./errors.ts";
import { type TranscriptPart, type TranscriptRange, type TranscriptStore } from "./ports.ts";

export interface TranscriptPeers {
  remoteRead(peer: PeerId, run: string, range: TranscriptRange): Promise<TranscriptPart>;
}

export class TranscriptReader {
  readonly #store: TranscriptStore;
  readonly #peers: TranscriptPeers;

  constructor(dependencies: { readonly store: TranscriptStore; readonly peers: TranscriptPeers }) {
    this.#store = dependencies.store;
    this.#peers = dependencies.peers;
  }

  /**
   * Reads here, or from the first of `holders` that can be asked.
   * @throws AgentError TRANSCRIPT_UNAVAILABLE with what each of them said.
   */
  async read(
    run: string,
    holders: readonly PeerId[],
    range: TranscriptRange,
  ): Promise<TranscriptPart> {
    const failures: string[] = [];
    if (await this.#store.has(run)) {
      try {
        return await this.#store.read(run, range);
      } catch (error) {
        range.signal?.throwIfAborted();
        failures.push(`here: ${errorMessage(error)}`);
      }
    }
    for (const holder of holders) {
      try {
        return await this.#peers.remoteRead(holder, run, range);
      } catch (error) {
        range.signal?.throwIfAborted();
        failures.push(`${holder}: ${errorMessage(error)}`);
      }
    }
    throw engineError(
      "TRANSCRIPT_UNAVAILABLE",
      `Reading the transcript of run "${run}" failed: no machine that holds it can be asked ` +
        `(${failures.join("; ") || "none is known"})`,
      { run, offset: range.offset },
    );
  }
}
