/**
 * Brings bundles from peers: who has it is asked of all candidates at once, chunks come from several of them in
 * parallel, and what failed is asked of another. Peers are not trusted: only a bundle with the right hash is
 * stored. When the hash is wrong, chunks are fetched again from one peer at a time, so that one liar among
 * honest peers costs time and nothing else. Chunks already here survive a failure and a restart.
 */
import { unlessAborted } from "../base/clock.ts";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { errorMessage, isAgentError } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { type Random, shuffle } from "../base/random.ts";
import { bundleChunkBytes } from "./bundle-rpc.ts";
import { type FileBundleStore, checkHash } from "./bundle-store.ts";
import { ChunkFile } from "./chunk-file.ts";
import { engineError } from "./errors.ts";
import { type EnginePeers } from "./ports.ts";

export interface BundleFetcherOptions {
  readonly dataDir: string;
  /** Largest bundle that is fetched. Default 256 MiB. */
  readonly bundleBytes?: number;
}

export interface BundleFetcherDependencies {
  readonly bundles: Pick<FileBundleStore, "has" | "put">;
  readonly peers: EnginePeers;
  readonly random: Random;
  readonly logger: Logger;
}

const askedPeers = 32;
const holdersUsed = 4;
const chunksPerHolder = 2;
const hasTimeoutMs = 3000;
const chunkTimeoutMs = 15_000;
/** A holder that failed this often in one fetch is not asked again in it. */
const failuresAllowed = 3;

interface Wanted {
  readonly sha256: string;
  readonly sizeBytes: number;
}

export class BundleFetcher {
  readonly #directory: string;
  readonly #bundleBytes: number;
  readonly #dependencies: BundleFetcherDependencies;
  readonly #fetching = new Map<string, Promise<void>>();

  constructor(options: BundleFetcherOptions, dependencies: BundleFetcherDependencies) {
    this.#directory = path.join(options.dataDir, "bundles", "partial");
    this.#bundleBytes = options.bundleBytes ?? 256 * 1024 * 1024;
    this.#dependencies = dependencies;
  }

  /**
   * Resolves when the bundle is in the store. Callers at the same time share one fetch; the signal of the first
   * ends it, that of another one only its own wait.
   * @throws AgentError BUNDLE_UNAVAILABLE, BUNDLE_CORRUPT, BUNDLE_TOO_LARGE.
   */
  async ensureBundle(sha256: string, sizeBytes: number, signal: AbortSignal): Promise<void> {
    checkHash(sha256);
    if (await this.#dependencies.bundles.has(sha256)) return;
    let fetching = this.#fetching.get(sha256);
    if (fetching === undefined) {
      fetching = this.#fetch({ sha256, sizeBytes }, signal).finally(() => {
        this.#fetching.delete(sha256);
      });
      this.#fetching.set(sha256, fetching);
    }
    await unlessAborted(fetching, signal);
  }

  async #fetch(wanted: Wanted, signal: AbortSignal): Promise<void> {
    if (wanted.sizeBytes > this.#bundleBytes || wanted.sizeBytes <= 0) {
      const message = `Fetching bundle ${wanted.sha256} failed: ${wanted.sizeBytes} bytes are not allowed`;
      throw engineError("BUNDLE_TOO_LARGE", message, { ...wanted, limit: this.#bundleBytes });
    }
    const holders = await this.#findHolders(wanted, signal);
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const file = await ChunkFile.open(path.join(this.#directory, wanted.sha256), {
      sizeBytes: wanted.sizeBytes,
      chunkBytes: bundleChunkBytes,
    });
    try {
      await this.#download(wanted, file, { holders, signal });
      if (!(await this.#store(wanted, file)))
        await this.#fromEach(wanted, file, { holders, signal });
      await file.remove();
    } finally {
      await file.close();
    }
  }

  async #findHolders({ sha256 }: Wanted, signal: AbortSignal): Promise<PeerId[]> {
    const { peers, random } = this.#dependencies;
    const asked = peers.candidates().slice(0, askedPeers);
    const answers = await Promise.all(
      asked.map(
        async (peer) => await peers.hasBundle(peer, sha256, hasTimeoutMs).catch(() => false),
      ),
    );
    signal.throwIfAborted();
    const holders = asked.filter((_, index) => answers[index] === true);
    // In random order, so that many nodes that fetch at once do not all go to the same few.
    if (holders.length > 0) return shuffle(holders, random);
    throw engineError(
      "BUNDLE_UNAVAILABLE",
      `Fetching bundle ${sha256} failed: none of the ${asked.length} peers that can be asked has it`,
      { sha256, asked: asked.length },
    );
  }

  /** Fills all missing chunks, from several holders at once. */
  async #download(wanted: Wanted, file: ChunkFile, from: Sources): Promise<void> {
    const { signal } = from;
    const missing = file.missing();
    const spare = [...from.holders];
    const failures: string[] = [];
    const work = async (): Promise<void> => {
      for (let peer = spare.shift(); peer !== undefined; peer = spare.shift()) {
        const failure = await this.#drain(wanted, file, { peer, missing, signal });
        if (failure === null) return;
        failures.push(`${peer}: ${failure}`);
      }
    };
    await Promise.all(Array.from({ length: holdersUsed }, work));
    signal.throwIfAborted();
    if (missing.length === 0 && file.missing().length === 0) return;
    throw engineError(
      "BUNDLE_UNAVAILABLE",
      `Fetching bundle ${wanted.sha256} failed: ${file.missing().length} chunks could not be had ` +
        `(${failures.slice(0, 5).join("; ")})`,
      { sha256: wanted.sha256 },
    );
  }

  /** Takes chunks from one peer until none is missing (null), or the peer failed too often (why). */
  async #drain(wanted: Wanted, file: ChunkFile, task: Drain): Promise<string | null> {
    let failures = 0;
    let last: string | null = null;
    const lane = async (): Promise<void> => {
      while (failures < failuresAllowed && !task.signal.aborted) {
        const chunk = task.missing.shift();
        if (chunk === undefined) return;
        try {
          await file.write(chunk, await this.#chunk(wanted, file, { peer: task.peer, chunk }));
        } catch (error) {
          task.missing.push(chunk);
          failures += 1;
          last = errorMessage(error);
        }
      }
    };
    await Promise.all(Array.from({ length: chunksPerHolder }, lane));
    return failures < failuresAllowed ? null : last;
  }

  async #chunk(
    { sha256 }: Wanted,
    file: ChunkFile,
    from: { readonly peer: PeerId; readonly chunk: number },
  ): Promise<Uint8Array> {
    const { offset, bytes } = file.place(from.chunk);
    const { peers } = this.#dependencies;
    const answer = await peers.bundleChunk(from.peer, sha256, offset, chunkTimeoutMs);
    if (answer.length >= bytes) return answer.subarray(0, bytes);
    throw engineError("BUNDLE_CORRUPT", `${answer.length} bytes came instead of ${bytes}`);
  }

  /** False when the hash is wrong. */
  async #store({ sha256 }: Wanted, file: ChunkFile): Promise<boolean> {
    try {
      await this.#dependencies.bundles.put(sha256, file.contents());
      return true;
    } catch (error) {
      if (isAgentError(error, "BUNDLE_CORRUPT")) return false;
      throw error;
    }
  }

  /** Some holder gave wrong bytes: takes everything from one at a time until the hash is right. */
  async #fromEach(wanted: Wanted, file: ChunkFile, from: Sources): Promise<void> {
    const { sha256 } = wanted;
    for (const peer of from.holders) {
      this.#dependencies.logger.warn(
        { bundle: sha256, peer },
        "a bundle had a wrong hash; trying one peer",
      );
      file.forgetAll();
      const alone = { holders: [peer], signal: from.signal };
      try {
        await this.#download(wanted, file, alone);
      } catch (error) {
        from.signal.throwIfAborted();
        this.#dependencies.logger.warn(
          { peer, error: errorMessage(error) },
          "a peer gave no bundle",
        );
        continue;
      }
      if (await this.#store(wanted, file)) return;
    }
    file.forgetAll();
    const message = `Fetching bundle ${sha256} failed: no peer gave bytes with that hash`;
    throw engineError("BUNDLE_CORRUPT", message, { sha256, holders: from.holders });
  }
}

interface Sources {
  readonly holders: readonly PeerId[];
  readonly signal: AbortSignal;
}

interface Drain {
  readonly peer: PeerId;
  /** Chunks nobody has taken on yet; shared by all holders. */
  readonly missing: number[];
  readonly signal: AbortSignal;
}
