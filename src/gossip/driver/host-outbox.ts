/** Carries the core's effects out: frames and syncs to the transport, events to a list handed out later. */
import { type Background } from "../../base/background.ts";
import { abortReason } from "../../base/clock.ts";
import { errorMessage } from "../../base/errors.ts";
import { type Logger } from "../../base/logger.ts";
import { type Directory } from "../core/directory.ts";
import {
  type CoreEventKind,
  type Frame,
  type Input,
  type Ix,
  type Outbox,
  type SyncRequest,
} from "../core/types.ts";
import { type GossipTransport, type MemberEvent } from "../ports.ts";
import { encodeFrame } from "../wire/frame-codec.ts";
import { decodeSyncAnswer, encodeSyncRequest } from "../wire/sync-codec.ts";
import { type MemberViews } from "./member-views.ts";

export interface HostOutboxDependencies {
  readonly directory: Directory;
  readonly transport: GossipTransport;
  readonly views: MemberViews;
  readonly background: Background;
  readonly logger: Logger;
  readonly post: (input: Input) => void;
  readonly farewellSpread: () => void;
}

export class HostOutbox implements Outbox {
  readonly #syncTimeoutMs: number;
  readonly #deps: HostOutboxDependencies;
  #events: MemberEvent[] = [];

  constructor(options: { readonly syncTimeoutMs: number }, dependencies: HostOutboxDependencies) {
    this.#syncTimeoutMs = options.syncTimeoutMs;
    this.#deps = dependencies;
  }

  /** Events since the last call. */
  takeEvents(): readonly MemberEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  frame(to: Ix, frame: Frame): boolean {
    const { directory, transport } = this.#deps;
    return transport.sendFrame(directory.id(to), encodeFrame(directory, frame));
  }

  sync(to: Ix, request: SyncRequest): void {
    const { directory, background } = this.#deps;
    const bytes = encodeSyncRequest(directory, request);
    background.run("gossip sync", (signal) => this.#sync(to, bytes, signal));
  }

  want(neighbours: readonly Ix[]): void {
    const { directory, transport } = this.#deps;
    transport.want(neighbours.map((ix) => directory.id(ix)));
  }

  event(kind: CoreEventKind, ix: Ix): void {
    const { directory, views, transport } = this.#deps;
    if (kind === "reap") {
      views.forget(ix);
      this.#events.push({ kind, id: directory.id(ix) });
      return;
    }
    const member = views.at(ix);
    if (member === null) return;
    // Before any frame goes to it: the transport dials what it knows.
    if (kind !== "left" && kind !== "failed") transport.setAddress(member.id, member.address);
    this.#events.push({ kind, member });
  }

  rtt(ix: Ix, milliseconds: number): void {
    this.#deps.views.rtt(ix, milliseconds);
  }

  conflict(count: number): void {
    this.#deps.logger.error(
      { count },
      "another process runs with this agent's key: stop one of them, or give it a key of its own",
    );
  }

  farewellSpread(): void {
    this.#deps.farewellSpread();
  }

  async #sync(to: Ix, request: Uint8Array, signal: AbortSignal): Promise<void> {
    const { directory, transport, logger, post } = this.#deps;
    const peer = directory.id(to);
    try {
      const answered = transport.sync(peer, request, this.#syncTimeoutMs);
      const bytes = await orAbort(answered, signal);
      const answer = decodeSyncAnswer(directory, bytes);
      if (answer !== null) {
        post({ kind: "syncAnswer", from: to, answer });
        return;
      }
      logger.debug({ peer, bytes: bytes.length }, "answer to a gossip sync is malformed");
    } catch (error) {
      logger.debug({ peer, error: errorMessage(error) }, "gossip sync failed");
    }
    post({ kind: "syncFailed", from: to });
  }
}

/** `promise`, or the signal's reason as soon as it aborts: stopping does not wait for a slow peer. */
async function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(abortReason(signal));
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
