/**
 * Dials with the peer's identity checked: one attempt at a time per peer however many ask, and a jittered
 * back-off between attempts that fail, which a new address or a sign of life of the peer cuts short. Where two dial
 * each other at once, the one with the larger id gives way as soon as the other's connection is there: a cluster that
 * comes back as one would else make every connection twice.
 */
import { type Connection } from "@libp2p/interface";
import { type Multiaddr } from "@multiformats/multiaddr";
import { type Clock, unlessAborted } from "../base/clock.ts";
import { AgentError, errorCode, errorMessage } from "../base/errors.ts";
import { type PeerId } from "../base/ids.ts";
import { type Random } from "../base/random.ts";
import { parseHostPort, toMultiaddr } from "./address.ts";
import { withDeadline } from "./deadline.ts";
import { DialSlots } from "./dial-slots.ts";
import { P2pCode } from "./errors.ts";

export interface DialerOptions {
  readonly self: PeerId;
  readonly timeoutMs: number;
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
}

export interface DialerDependencies {
  readonly clock: Clock;
  readonly random: Random;
  /** An open connection to the peer, whoever made it. */
  readonly connected: (peer: PeerId) => Connection | null;
  readonly dial: (addresses: Multiaddr[], signal: AbortSignal) => Promise<Connection>;
  /** `refused`: every address answered that nobody listens there. */
  readonly failed: (peer: PeerId, how: "refused" | "timeout") => void;
  /** True when a supervisor at this `host:port` says that the agent there is gone. */
  readonly isGone: (address: string, signal: AbortSignal) => Promise<boolean>;
}

interface Target {
  addresses: readonly string[];
  failures: number;
  nextAttemptMs: number;
  attempt: Promise<Connection> | null;
  /** Ends the wait before the next attempt. */
  hurry: (() => void) | null;
  /** Ends the attempt with a connection that the peer made. */
  giveWay: ((connection: Connection) => void) | null;
  /** It has a place, and dials. */
  isDialing: boolean;
}

const maxAddresses = 8;
const goneMs = 500;

export class Dialer {
  readonly #options: DialerOptions;
  readonly #deps: DialerDependencies;
  readonly #slots: DialSlots;
  readonly #targets = new Map<PeerId, Target>();
  readonly #stopped = new AbortController();

  constructor(options: DialerOptions, deps: DialerDependencies) {
    this.#options = options;
    this.#deps = deps;
    this.#slots = new DialSlots(deps.clock);
  }

  /** Replaces what is known of where a peer listens; texts that are no address are ignored. */
  setAddresses(peer: PeerId, addresses: readonly string[]): void {
    const usable = addresses.filter((text) => parseHostPort(text) !== null).slice(0, maxAddresses);
    const target = this.#target(peer);
    if (usable.join(" ") === target.addresses.join(" ")) return;
    target.addresses = usable;
    this.forgive(peer);
  }

  addresses(peer: PeerId): readonly string[] {
    return this.#targets.get(peer)?.addresses ?? [];
  }

  forget(peer: PeerId): void {
    const target = this.#targets.get(peer);
    this.#targets.delete(peer);
    target?.hurry?.();
  }

  /** The peer gave a sign of life, or has a new address: the next attempt need not wait. */
  forgive(peer: PeerId): void {
    const target = this.#targets.get(peer);
    if (target === undefined) return;
    target.failures = 0;
    target.nextAttemptMs = 0;
    target.hurry?.();
  }

  /** The peer itself made this connection. */
  met(peer: PeerId, connection: Connection): void {
    this.forgive(peer);
    const target = this.#targets.get(peer);
    // Of two that dial each other one goes on; who still waits for a place has not begun.
    if (peer < this.#options.self || target?.isDialing !== true) target?.giveWay?.(connection);
  }

  /** Joins the running attempt or makes one. @throws AgentError PEER_UNREACHABLE, or the signal's reason */
  dial(peer: PeerId, signal: AbortSignal): Promise<Connection> {
    const target = this.#target(peer);
    target.attempt ??= this.#attempt(peer, target).finally(() => {
      target.attempt = null;
    });
    return unlessAborted(target.attempt, signal);
  }

  stop(): void {
    this.#stopped.abort(new AgentError(P2pCode.hostStopped, "The mesh is stopped."));
    for (const target of this.#targets.values()) target.hurry?.();
  }

  async #attempt(peer: PeerId, target: Target): Promise<Connection> {
    await this.#backOff(target);
    this.#stopped.signal.throwIfAborted();
    const met = this.#deps.connected(peer);
    if (met !== null) return met;
    try {
      if (target.addresses.length === 0) {
        throw new AgentError(P2pCode.peerUnreachable, "no address is known");
      }
      const connection = await this.#connect(peer, target);
      target.failures = 0;
      target.nextAttemptMs = 0;
      return connection;
    } catch (error) {
      this.#stopped.signal.throwIfAborted();
      this.#failed(target);
      if (target.addresses.length > 0) {
        const nobody = wasRefused(error) || (!isSilence(error) && (await this.#allGone(target)));
        this.#deps.failed(peer, nobody ? "refused" : "timeout");
      }
      const where = target.addresses.length === 0 ? "" : ` at ${target.addresses.join(", ")}`;
      const text = `Could not reach peer "${peer}"${where}: ${reasonOf(error)}.`;
      throw new AgentError(P2pCode.peerUnreachable, text, { peer }, { cause: error });
    }
  }

  async #connect(peer: PeerId, target: Target): Promise<Connection> {
    const { promise: met, resolve } = Promise.withResolvers<Connection>();
    const needless = new AbortController();
    target.giveWay = (connection) => {
      resolve(connection);
      needless.abort();
    };
    const signal = AbortSignal.any([this.#stopped.signal, needless.signal]);
    try {
      return await Promise.race([met, this.#dialInTurn(peer, target, signal)]);
    } finally {
      target.giveWay = null;
      target.isDialing = false;
    }
  }

  async #dialInTurn(peer: PeerId, target: Target, signal: AbortSignal): Promise<Connection> {
    const leave = await this.#slots.take(target.failures > 0, signal);
    const limit = { clock: this.#deps.clock, ms: this.#options.timeoutMs, signal };
    target.isDialing = true;
    // As they are now: it may have waited.
    const addresses = target.addresses.flatMap((text) => {
      const parsed = parseHostPort(text);
      return parsed === null ? [] : [toMultiaddr(parsed, peer)];
    });
    try {
      return await withDeadline(limit, (ends) => this.#deps.dial(addresses, ends));
    } finally {
      leave();
    }
  }

  /** A supervisor has taken the port over: as telling as a refused connection. */
  async #allGone({ addresses }: Target): Promise<boolean> {
    const { clock, isGone } = this.#deps;
    const limit = { clock, ms: goneMs, signal: this.#stopped.signal };
    const answers = await withDeadline(limit, (signal) =>
      Promise.all(addresses.map((address) => isGone(address, signal))),
    );
    return answers.length > 0 && answers.every(Boolean);
  }

  #failed(target: Target): void {
    const { minBackoffMs, maxBackoffMs } = this.#options;
    const step = Math.min(maxBackoffMs, minBackoffMs * 2 ** Math.min(target.failures, 16));
    target.failures += 1;
    const pause = step * (0.5 + this.#deps.random.float() / 2);
    target.nextAttemptMs = this.#deps.clock.monotonicMs() + pause;
  }

  #backOff(target: Target): Promise<void> {
    const pause = target.nextAttemptMs - this.#deps.clock.monotonicMs();
    if (pause <= 0 || this.#stopped.signal.aborted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#deps.clock.setTimer(pause, resolve);
    target.hurry = () => {
      cancel();
      resolve();
    };
    return promise.finally(() => {
      target.hurry = null;
    });
  }

  #target(peer: PeerId): Target {
    let target = this.#targets.get(peer);
    if (target === undefined) {
      target = {
        addresses: [],
        failures: 0,
        nextAttemptMs: 0,
        attempt: null,
        hurry: null,
        giveWay: null,
        isDialing: false,
      };
      this.#targets.set(peer, target);
    }
    return target;
  }
}

function wasRefused(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(wasRefused);
  return errorCode(error) === "ECONNREFUSED";
}

function isSilence(error: unknown): boolean {
  return error instanceof Error && error.name === "TimeoutError";
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(errorMessage).join("; ");
  return errorMessage(error);
}
