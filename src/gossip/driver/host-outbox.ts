/** Carries the core's effects out: frames and syncs to the transport, events to a list handed out later. */
import { type Background } from "../../base/background.ts";
import { abortReason, type Clock } from "../../base/clock.ts";
import { errorMessage } from "../../base/errors.ts";
import { type Logger } from "../../base/logger.ts";
import { type Directory } from "../core/directory.ts";
import {
  type CoreEventKind,
  type EventBody,
  type Frame,
  type Input,
  type Ix,
  type Outbox,
  type SyncRequest,
  type Twin,
} from "../core/types.ts";
import {
  type AnswerLane,
  type GossipTransport,
  type LaneName,
  type MemberEvent,
  type UserEvent,
  type Via,
} from "../ports.ts";
import { encodeFrame } from "../wire/frame-codec.ts";
import { decodeSyncAnswer, encodeSyncRequest } from "../wire/sync-codec.ts";
import { RateLimit } from "./inbound-guard.ts";
import { type MemberViews } from "./member-views.ts";

export interface HostOutboxDependencies {
  readonly directory: Directory;
  readonly transport: GossipTransport;
  readonly views: MemberViews;
  readonly background: Background;
  readonly logger: Logger;
  readonly post: (input: Input) => void;
  readonly farewellSpread: () => void;
  readonly clock: Clock;
  /** Another process has this agent's key; `isLater`: this one is to stop. */
  readonly conflict: (other: Twin) => void;
}

/** Events for the rest of the agent, in the order in which they happened. */
export interface Happened {
  readonly members: readonly MemberEvent[];
  readonly user: readonly UserEvent[];
}

/** What it means that a member answers on this lane only, and what to do. */
const asymmetryTexts: Readonly<Record<AnswerLane, string>> = {
  stream:
    "a member answers over streams but not over datagrams: let UDP pass on the peer port, both ways",
  udp: "a member answers over datagrams but not over streams: TCP on the peer port is blocked, or loses much",
  others:
    "a member answers others, but nothing passes between it and this agent, at least one way: look at routes and firewalls",
};

export class HostOutbox implements Outbox {
  readonly #syncTimeoutMs: number;
  readonly #deps: HostOutboxDependencies;
  readonly #asymmetryLogs = {
    stream: new RateLimit({ periodMs: 60_000 }),
    udp: new RateLimit({ periodMs: 60_000 }),
    others: new RateLimit({ periodMs: 60_000 }),
  };
  #events: MemberEvent[] = [];
  #userEvents: UserEvent[] = [];

  constructor(options: { readonly syncTimeoutMs: number }, dependencies: HostOutboxDependencies) {
    this.#syncTimeoutMs = options.syncTimeoutMs;
    this.#deps = dependencies;
  }

  /** Events since the last call. */
  takeEvents(): Happened {
    const happened = { members: this.#events, user: this.#userEvents };
    this.#events = [];
    this.#userEvents = [];
    return happened;
  }

  frame(to: Ix, frame: Frame, via: Via): boolean {
    const { directory, transport } = this.#deps;
    return transport.sendFrame(directory.id(to), encodeFrame(directory, frame), via);
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
      transport.setDatagrams(directory.id(ix), { use: "none", bootId: "" });
      this.#events.push({ kind, id: directory.id(ix) });
      return;
    }
    const member = views.at(ix);
    if (member === null) return;
    // Before any frame goes to it: the transport dials what it knows.
    if (kind !== "left" && kind !== "failed") {
      transport.setAddress(member.id, member.address);
      transport.setDatagrams(member.id, { use: views.datagrams(ix), bootId: member.bootId });
    }
    this.#events.push({ kind, member });
  }

  rtt(ix: Ix, milliseconds: number, lane: LaneName): void {
    this.#deps.views.rtt(ix, milliseconds, lane);
  }

  datagrams(ix: Ix, answered: boolean): void {
    this.#deps.views.datagramsPass(ix, answered);
    if (!answered) this.asymmetry(ix, "stream");
  }

  asymmetry(ix: Ix, lane: AnswerLane): void {
    const { directory, logger, clock, views } = this.#deps;
    if (lane === "others") views.onlyThroughOthers(ix);
    const count = this.#asymmetryLogs[lane].take(clock.monotonicMs());
    if (count === 0) return;
    const name = views.at(ix)?.name ?? "";
    logger.warn({ peer: directory.id(ix), name, lane, count }, asymmetryTexts[lane]);
  }

  userEvent({ name, payload, origin, ltime }: EventBody): void {
    this.#userEvents.push({ name, payload, origin, ltime });
  }

  conflict(other: Twin): void {
    this.#deps.logger.error(
      { ...other },
      "another process runs with this agent's key: stop one of them, or give it a key of its own",
    );
    this.#deps.conflict(other);
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
