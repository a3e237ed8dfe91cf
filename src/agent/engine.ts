/** The config engine of one agent: bundles, runs, transcripts, and what peers may ask of them. */
import process from "node:process";
import { type TranscriptRequest } from "../api/context.ts";
import { type Clock } from "../base/clock.ts";
import { type PeerId } from "../base/ids.ts";
import { programFile } from "../base/program-files.ts";
import { type Logger } from "../base/logger.ts";
import { systemRandom } from "../base/random.ts";
import { type Service } from "../base/service.ts";
import { BundleFetcher } from "../config-engine/bundle-fetcher.ts";
import { createBundleHandlers } from "../config-engine/bundle-rpc.ts";
import { FileBundleStore } from "../config-engine/bundle-store.ts";
import { type ConfigRepository, type TranscriptPart } from "../config-engine/ports.ts";
import { createConfigRepository } from "../config-engine/repository.ts";
import { createRunEngine, type LocalRunEngine } from "../config-engine/run-engine.ts";
import { TranscriptCopies } from "../config-engine/transcript-copies.ts";
import { TranscriptReader } from "../config-engine/transcript-reader.ts";
import { createTranscriptHandlers } from "../config-engine/transcript-rpc.ts";
import { FileTranscriptStore } from "../config-engine/transcript-store.ts";
import { type GossipNode } from "../gossip/ports.ts";
import { type InventoryStateMachine } from "../inventory/state-machine.ts";
import { type InventoryView } from "../inventory/view.ts";
import { BundleCollector } from "./bundle-collector.ts";
import { BundlePrefetch } from "./bundle-prefetch.ts";
import { createEnginePeers } from "./engine-peers.ts";
import { type Mesh } from "./mesh.ts";
import { type AgentOptions } from "./options.ts";
import { transcriptHolders } from "./transcript-holders.ts";

export interface Engine {
  readonly runs: LocalRunEngine;
  readonly repository: ConfigRepository;
  readonly copies: TranscriptCopies;
  readonly services: readonly Service[];
  ensureBundle(
    bundle: { readonly sha256: string; readonly sizeBytes: number },
    signal: AbortSignal,
  ): Promise<void>;
  readTranscript(run: string, request: TranscriptRequest): Promise<TranscriptPart>;
}

export interface EngineDeps {
  readonly mesh: Mesh;
  readonly gossip: GossipNode;
  readonly stateMachine: InventoryStateMachine;
  readonly view: InventoryView;
  readonly clock: Clock;
  readonly logger: Logger;
}

export function createEngine(options: AgentOptions, deps: EngineDeps): Engine {
  const { mesh, clock, view, stateMachine } = deps;
  const { dataDir, searchPath } = options;
  const logger = deps.logger.child({ module: "config-engine" });
  const random = systemRandom;
  const self = mesh.identity.peer;
  const peers = createEnginePeers({ self, rpc: mesh.rpc, gossip: deps.gossip, view, random });
  const bundles = new FileBundleStore({ dataDir }, { clock });
  const fetcher = new BundleFetcher({ dataDir }, { bundles, peers, random, logger });
  const store = new FileTranscriptStore({ dataDir }, { clock });
  const copies = new TranscriptCopies({ store, peers, logger });
  const reader = new TranscriptReader({ store, peers });
  const runs = createRunEngine(
    {
      dataDir,
      nodeBinary: process.execPath,
      shimPath: programFile("shim"),
      searchPath,
      home: options.home,
    },
    { bundles, clock, logger },
  );
  const repository = createConfigRepository(
    { dataDir, gitEnvironment: options.gitEnvironment },
    { bundles, clock, logger },
  );
  register(mesh, { ...createBundleHandlers(bundles), ...createTranscriptHandlers(store, copies) });
  const ensureBundle: Engine["ensureBundle"] = ({ sha256, sizeBytes }, signal) =>
    fetcher.ensureBundle(sha256, sizeBytes, signal);
  return {
    runs,
    repository,
    copies,
    services: [
      runs,
      new BundlePrefetch({ stateMachine, ensureBundle, clock, logger, random }),
      new BundleCollector({ view, bundles, clock, logger }),
    ],
    ensureBundle,
    readTranscript: (run, request) => reader.read(run, transcriptHolders(view, run, self), request),
  };
}

type Handler = (payload: unknown, from: PeerId, signal: AbortSignal) => Promise<unknown>;

function register(mesh: Mesh, handlers: Readonly<Record<string, Handler>>): void {
  for (const [method, handler] of Object.entries(handlers)) mesh.rpc.handle(method, handler);
}
