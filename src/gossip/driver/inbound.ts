/** The border for what other peers send: limits first, then decoding, then the core. */
import { type Clock } from "../../base/clock.ts";
import { type PeerId } from "../../base/ids.ts";
import { type Logger } from "../../base/logger.ts";
import { type GossipCore } from "../core/core.ts";
import { type Directory } from "../core/directory.ts";
import { type Ix } from "../core/types.ts";
import { type LaneName } from "../ports.ts";
import { decodeFrame } from "../wire/frame-codec.ts";
import { decodeSyncRequest, encodeSyncAnswer } from "../wire/sync-codec.ts";
import { type CoreHost } from "./core-host.ts";
import { InboundGuard, RateLimit } from "./inbound-guard.ts";

export interface InboundDependencies {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly host: CoreHost;
  readonly core: GossipCore;
}

const nothing = new Uint8Array(0);

export class Inbound {
  readonly #frameBytes: number;
  readonly #deps: InboundDependencies;
  readonly #guard = new InboundGuard();
  readonly #badLog = new RateLimit({ periodMs: 10_000 });
  readonly #forgedLog = new RateLimit({ periodMs: 10_000 });

  constructor(options: { readonly frameBytes: number }, dependencies: InboundDependencies) {
    this.#frameBytes = options.frameBytes;
    this.#deps = dependencies;
  }

  frame(peer: PeerId, bytes: Uint8Array, lane: LaneName): void {
    const { directory, host } = this.#deps;
    const from = this.#admit(peer);
    if (from < 0) return;
    const frame = bytes.length > this.#frameBytes ? null : decodeFrame(directory, bytes);
    if (frame === null) this.#bad(peer, bytes.length);
    else host.post({ kind: "frame", from, frame, lane });
    this.#lookForForgery();
  }

  /** An empty answer refuses: the asker's decoder takes it as a failed sync. */
  sync(peer: PeerId, bytes: Uint8Array): Uint8Array {
    const { directory, host } = this.#deps;
    const from = host.isStopped ? -1 : this.#admit(peer);
    if (from < 0) return nothing;
    const request = decodeSyncRequest(directory, bytes);
    if (request === null) {
      this.#bad(peer, bytes.length);
      return nothing;
    }
    const answer = host.answer(from, request);
    this.#lookForForgery();
    return encodeSyncAnswer(directory, answer);
  }

  #admit(peer: PeerId): Ix {
    const { directory, clock, logger, core } = this.#deps;
    const admittance = this.#guard.frame(peer, clock.monotonicMs());
    if (admittance === "cut") {
      logger.warn({ peer }, "peer floods this agent with gossip, ignoring it for a minute");
    }
    if (admittance !== "pass") {
      core.counters.add("inboundFlood");
      return -1;
    }
    const ix = directory.intern(peer);
    return ix >= 0 && !core.isEvicted(ix) ? ix : -1;
  }

  #bad(peer: PeerId, bytes: number): void {
    const now = this.#deps.clock.monotonicMs();
    this.#guard.badFrame(peer, now);
    this.#deps.core.counters.add("inboundMalformed");
    const count = this.#badLog.take(now);
    if (count > 0) {
      this.#deps.logger.warn({ peer, bytes, count }, "malformed gossip received, dropping it");
    }
  }

  /** An honest peer passes nothing on that it did not verify itself. */
  #lookForForgery(): void {
    const { core, clock, directory, logger } = this.#deps;
    const forger = core.counters.takeForger();
    if (forger === null) return;
    const now = clock.monotonicMs();
    const peer = directory.id(forger);
    this.#guard.badFrame(peer, now);
    const count = this.#forgedLog.take(now);
    if (count > 0) logger.warn({ peer, count }, "gossip with a forged signature, dropping it");
  }
}
