/** What the config engine offers to lifecycle and API, and what it needs from outside. */
import { type JsonObject } from "../base/json.ts";
import { type PeerId } from "../base/ids.ts";
import { type Service } from "../base/service.ts";
import { type ActionName, type FinishedRun, type Manifest } from "../inventory/records.ts";

/** All that is needed to run one action on this machine. */
export interface RunSpec {
  /** `JOB/NODE/ROLE/ACTION/ATTEMPT`. Asking twice for the same id gives the run there is. */
  readonly id: string;
  readonly job: string;
  readonly node: string;
  readonly role: string;
  readonly action: ActionName;
  readonly attempt: number;
  readonly revision: string;
  readonly bundle: { readonly sha256: string; readonly sizeBytes: number };
  /** Path of the executable inside the bundle. */
  readonly path: string;
  readonly timeoutMs: number;
  readonly vars: JsonObject;
  readonly inventory: JsonObject;
  /** Values that are masked in the transcript before a byte is stored. */
  readonly secretValues: readonly string[];
}

export type LocalRunState =
  | { readonly state: "unknown" }
  | { readonly state: "running"; readonly startedAt: number }
  | { readonly state: "ended"; readonly result: FinishedRun };

/** Runs actions under shims that outlive the agent; on start it re-adopts those that still run. */
export interface RunEngine extends Service {
  /** Begins the run, or finds it. Resolves when the shim runs (or the run already ended). */
  ensure(spec: RunSpec): Promise<LocalRunState>;
  state(id: string): LocalRunState;
  /** Ids of runs that have not ended. */
  running(): readonly string[];
  /** SIGTERM to the process group, SIGKILL after the grace time; the run ends `cancelled`. */
  cancel(id: string, reason: string): void;
  onEnd(listener: (result: FinishedRun) => void): () => void;
}

/** Raw terminal bytes of one run, addressed by offset; `time` is the wall clock when they were read. */
export interface TranscriptChunk {
  readonly offset: number;
  readonly time: number;
  readonly bytes: Uint8Array;
}
export interface TranscriptPart {
  readonly chunks: readonly TranscriptChunk[];
  readonly nextOffset: number;
  /** True when the run ended and `nextOffset` is the end. */
  readonly complete: boolean;
}

/** What to read of a transcript. */
export interface TranscriptRange {
  readonly offset: number;
  readonly maxBytes: number;
  /** When there is nothing at `offset` yet, waits so long for more. */
  readonly waitMs: number;
  readonly signal?: AbortSignal;
}

export interface TranscriptStore {
  /** Runs whose transcript is (partly) on this machine. */
  has(run: string): Promise<boolean>;
  /** @throws AgentError NOT_FOUND, TRANSCRIPT_DAMAGED. */
  read(run: string, range: TranscriptRange): Promise<TranscriptPart>;
  /** Stores a copy of another node's transcript, from offset 0 on, in order. */
  writeCopy(run: string, part: TranscriptPart): Promise<void>;
}

/** Content-addressed bundles on this machine. */
export interface BundleStore {
  has(sha256: string): Promise<boolean>;
  sizeBytes(sha256: string): Promise<number>;
  readChunk(sha256: string, offset: number, maxBytes: number): Promise<Uint8Array>;
  /** Adds a whole bundle; verifies the hash. */
  put(sha256: string, bytes: AsyncIterable<Uint8Array>): Promise<void>;
  /** Unpacked tree of a bundle (read-only cache), made on first use. */
  unpacked(sha256: string): Promise<string>;
}

/** How to ask peers for bundles and transcripts. */
export interface EnginePeers {
  /** Peers that may be asked now, best first. */
  candidates(): readonly PeerId[];
  hasBundle(peer: PeerId, sha256: string, timeoutMs: number): Promise<boolean>;
  bundleChunk(peer: PeerId, sha256: string, offset: number, timeoutMs: number): Promise<Uint8Array>;
}

export interface FetchedRevision {
  readonly commit: string;
  readonly bundle: string;
  readonly bundleBytes: number;
  readonly manifest: Manifest;
}

/** Turns a source (git URL or directory) into a checked, packed revision in the local bundle store. */
export interface ConfigRepository {
  /**
   * @throws AgentError SOURCE_UNREACHABLE, REF_NOT_FOUND, BUNDLE_TOO_LARGE, and MANIFEST_INVALID with
   *   details.problems: `{file, line, column, reason}` each.
   */
  fetch(
    source: { readonly url: string; readonly ref: string | null },
    signal: AbortSignal,
  ): Promise<FetchedRevision>;
}
