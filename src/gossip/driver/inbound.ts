/** The border for what other peers send: limits first, then decoding, then the core. */
import { type Clock } from "../../base/clock.ts";
import { type PeerId } from "../../base/ids.ts";
import { type Logger } from "../../base/logger.ts";
import { type GossipCore } from "../core/core.ts";
import { type Directory } from "../core/directory.ts";
import { type Ix } from "../core/types.ts";
import { frameBytesMax } from "../options.ts";
import { type LaneName } from "../ports.ts";
import { decodeFrame } from "../wire/frame-codec.ts";
import { decodeSyncRequest, encodeSyncAnswer } from "../wire/sync-codec.ts";
import { type CoreHost } from "./core-host.ts";
import { InboundGuard } from "./inbound-guard.ts";
import { OffenceLog } from "./offence-log.ts";

export interface InboundDependencies {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly host: CoreHost;
  readonly core: GossipCore;
}

const nothing = new Uint8Array(0);

/**
 * Whoever knows the ring can seal datagrams in the name of any member. So these have budgets and log lines of their
 * own: what they do costs the member whose name they bear its datagrams at most, never its streams, and accuses nobody.
 */
interface Lane {
  readonly guard: InboundGuard;
  readonly badLog: OffenceLog;
  readonly forgedLog: OffenceLog;
  readonly floodLog: OffenceLog;
}

const logMs = 10_000;
const inNameOf = " by datagrams in the name of a member";

function laneOf(options: { readonly cuts: boolean }): Lane {
  const log = (): OffenceLog => new OffenceLog({ periodMs: logMs });
  return { guard: new InboundGuard(options), badLog: log(), forgedLog: log(), floodLog: log() };
}

export class Inbound {
  readonly #frameBytes: number;
  readonly #deps: InboundDependencies;
  readonly #lanes = { stream: laneOf({ cuts: true }), udp: laneOf({ cuts: false }) };

  constructor(options: { readonly frameBytes: number }, dependencies: InboundDependencies) {
    this.#frameBytes = Math.max(options.frameBytes, frameBytesMax);
    this.#deps = dependencies;
  }

  frame(peer: PeerId, bytes: Uint8Array, lane: LaneName): void {
    const { directory, host } = this.#deps;
    const from = this.#admit(peer, lane);
    if (from < 0) return;
    const frame = bytes.length > this.#frameBytes ? null : decodeFrame(directory, bytes);
    if (frame === null) this.#bad(peer, bytes.length, lane);
    else host.post({ kind: "frame", from, frame, lane });
    this.#lookForForgery();
  }

  /** An empty answer refuses: the asker's decoder takes it as a failed sync. */
  sync(peer: PeerId, bytes: Uint8Array): Uint8Array {
    const { directory, host } = this.#deps;
    const from = host.isStopped ? -1 : this.#admit(peer, "stream");
    if (from < 0) return nothing;
    const request = decodeSyncRequest(directory, bytes);
    if (request === null) {
      this.#bad(peer, bytes.length, "stream");
      return nothing;
    }
    const answer = host.answer(from, request);
    this.#lookForForgery();
    return encodeSyncAnswer(directory, answer);
  }

  #admit(peer: PeerId, lane: LaneName): Ix {
    const { directory, clock, logger, core } = this.#deps;
    const { guard, floodLog } = this.#lanes[lane];
    const now = clock.monotonicMs();
    const admittance = guard.frame(peer, now);
    if (admittance === "cut") {
      logger.warn({ peer }, "peer floods this agent with gossip, ignoring it for a minute");
    }
    if (admittance !== "pass") {
      core.counters.add("inboundFlood");
      const offences = lane === "udp" ? floodLog.take(peer, now) : null;
      if (offences !== null)
        logger.warn({ ...offences }, `gossip beyond the budget${inNameOf}, dropping it`);
      return -1;
    }
    const ix = directory.intern(peer);
    return ix >= 0 && !core.isEvicted(ix) ? ix : -1;
  }

  #bad(peer: PeerId, bytes: number, lane: LaneName): void {
    const { guard, badLog } = this.#lanes[lane];
    const now = this.#deps.clock.monotonicMs();
    guard.badFrame(peer, now);
    this.#deps.core.counters.add("inboundMalformed");
    const offences = badLog.take(peer, now);
    const text = `malformed gossip received${lane === "udp" ? inNameOf : ""}, dropping it`;
    if (offences !== null) this.#deps.logger.warn({ ...offences, bytes }, text);
  }

  /** An honest peer passes nothing on that it did not verify itself; but a datagram does not prove its peer. */
  #lookForForgery(): void {
    const { core, clock, directory, logger } = this.#deps;
    const forgery = core.counters.takeForgery();
    if (forgery === null) return;
    const { guard, forgedLog } = this.#lanes[forgery.lane];
    const now = clock.monotonicMs();
    const peer = directory.id(forgery.carrier);
    guard.badFrame(peer, now);
    const offences = forgedLog.take(peer, now);
    const text = `gossip with a forged signature${forgery.lane === "udp" ? inNameOf : ""}, dropping it`;
    if (offences !== null) logger.warn({ ...offences }, text);
  }
}
