/**
 * An API over a real inventory, without consensus: a submitted command is applied at once. Faults are switched on
 * by fields; transcripts are texts that a test lets grow.
 */
import { type FastifyInstance, type InjectOptions, type LightMyRequestResponse } from "fastify";
import { buildApp } from "../../src/api/app.ts";
import { type Proof } from "../../src/api/access.ts";
import {
  type ApiContext,
  type Caller,
  type LineagePort,
  type RemovalClaims,
  type TranscriptRequest,
} from "../../src/api/context.ts";
import { type Member } from "../../src/api/contract/cluster.ts";
import { Metrics } from "../../src/api/metrics.ts";
import { RouteServer } from "../../src/api/route-server.ts";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { AgentError } from "../../src/base/errors.ts";
import { newId } from "../../src/base/ids.ts";
import { type Logger, silentLogger } from "../../src/base/logger.ts";
import { type TranscriptPart } from "../../src/config-engine/ports.ts";
import { type ConsensusStatus } from "../../src/consensus/driver/api.ts";
import { EventRing } from "../../src/gossip/driver/event-ring.ts";
import { checkEventContent } from "../../src/gossip/wire/event-codec.ts";
import { type GossipNode, type MemberView, type UserEvent } from "../../src/gossip/ports.ts";
import { type Command } from "../../src/inventory/commands.ts";
import { cluster, type Inventory, peer } from "./inventory.ts";

export interface Submitted {
  readonly command: Command;
  readonly by: string;
  readonly idempotency: { readonly key: string; readonly digest: string } | null;
}

export class FakeTranscript {
  bytes = Buffer.alloc(0);
  complete = false;
  readonly #waiting = new Set<() => void>();

  append(text: string): void {
    this.bytes = Buffer.concat([this.bytes, Buffer.from(text)]);
    for (const wake of [...this.#waiting]) wake();
  }

  end(): void {
    this.complete = true;
    for (const wake of [...this.#waiting]) wake();
  }

  async read({ offset, maxBytes, waitMs, signal }: TranscriptRequest): Promise<TranscriptPart> {
    if (offset >= this.bytes.length && !this.complete && waitMs > 0) await this.#more(signal);
    const bytes = this.bytes.subarray(offset, offset + maxBytes);
    const nextOffset = offset + bytes.length;
    const chunks = bytes.length === 0 ? [] : [{ offset, time: 1_700_000_000_000, bytes }];
    return { chunks, nextOffset, complete: this.complete && nextOffset === this.bytes.length };
  }

  async #more(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    this.#waiting.delete(resolve);
    signal.throwIfAborted();
  }
}

export interface Request extends Omit<InjectOptions, "url"> {
  readonly url: string;
}

/** What tests look into, freely. */
export interface Answer {
  readonly status: number;
  readonly headers: LightMyRequestResponse["headers"];
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

export class ApiWorld {
  readonly inventory: Inventory;
  readonly submitted: Submitted[] = [];
  readonly logged: { readonly data: object; readonly message: string }[] = [];
  readonly transcripts = new Map<string, FakeTranscript>();
  readonly tokens = new Map<string, Caller>();
  readonly metrics: Metrics;
  readonly context: ApiContext;
  readonly stopping = new AbortController();
  readonly app: FastifyInstance;
  clock: Clock;
  /** Thrown by every submit. */
  submitFails: Error | null = null;
  /** Thrown by every read barrier. */
  barrierFails: Error | null = null;
  /** Every read barrier waits for this. */
  barrierHeld: Promise<void> = Promise.resolve();
  barriers = 0;
  joined = true;
  lineage: LineagePort | null = null;
  removal: RemovalClaims | null = null;
  members: readonly MemberView[] = [];
  /** What other agents' gossip sees. */
  readonly views = new Map<string, Member[]>();
  transferred: (string | null)[] = [];
  readonly userEvents: EventRing;
  /** An event comes by gossip. */
  hear: (event: UserEvent) => void = () => undefined;
  /** Thrown when an event is told. */
  tellFails: Error | null = null;

  constructor(
    options: {
      readonly inventory?: Inventory;
      readonly proof?: Proof;
      readonly clock?: Clock;
    } = {},
  ) {
    this.inventory = options.inventory ?? cluster("n1", "n2", "n3");
    this.clock = options.clock ?? systemClock;
    this.metrics = new Metrics({ clock: this.clock });
    this.userEvents = new EventRing({
      self: peer("n1"),
      gossip: this.#gossip(),
      clock: this.clock,
    });
    this.context = this.#context();
    const { context, metrics } = this;
    const stopping = this.stopping.signal;
    const routeServer = new RouteServer({ context, metrics, stopping, checkAnswers: true });
    const proof = options.proof ?? "local";
    this.app = buildApp(
      { proof, tls: null },
      { context, metrics, routeServer, draining: stopping },
    );
  }

  async send(request: Request): Promise<Answer> {
    const response = await this.app.inject(request as InjectOptions);
    let json: unknown = {};
    try {
      json = response.body === "" ? {} : JSON.parse(response.body);
    } catch {
      // A stream or a text.
    }
    return {
      status: response.statusCode,
      headers: response.headers,
      text: response.body,
      json: json as Answer["json"],
    };
  }

  get(url: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send({ method: "GET", url, headers });
  }

  transcript(run: string): FakeTranscript {
    const known = this.transcripts.get(run);
    if (known !== undefined) return known;
    const made = new FakeTranscript();
    this.transcripts.set(run, made);
    return made;
  }

  #context(): ApiContext {
    const { inventory } = this;
    return {
      view: inventory.view,
      clock: this.clock,
      logger: this.#logger(),
      onApplied: (listener) => inventory.machine.onApplied(listener),
      submit: async (command, { by, idempotency }) => {
        if (this.submitFails !== null) throw this.submitFails;
        this.submitted.push({ command, by, idempotency });
        return inventory.send(command, { by, idempotency });
      },
      readBarrier: async () => {
        this.barriers += 1;
        if (this.barrierFails !== null) throw this.barrierFails;
        await this.barrierHeld;
      },
      stateHash: () => ({ index: inventory.view.appliedIndex, sha256: inventory.machine.hash() }),
      identity: () => ({ id: peer("n1"), name: "n1", version: "9.9.9" }),
      mode: () => "normal",
      generation: () => 1,
      lineage: () => this.lineage,
      removal: () => this.removal,
      leaderContactMs: () => this.context.consensus()?.leaderContactMs ?? null,
      consensus: () => (this.joined ? consensusStatus(inventory.view.appliedIndex) : null),
      members: () => this.members,
      gossipHealth: () => ({ score: 2, degraded: false, queue: 0, members: this.members.length }),
      userEvents: () => (this.joined ? this.userEvents : null),
      membersOf: async (id, name) => {
        const view = this.views.get(id);
        if (view !== undefined) return view;
        throw new AgentError("NODE_NOT_REACHABLE", `The agent of node "${name}" does not answer`);
      },
      transferLeadership: async (to) => {
        this.transferred.push(to);
        return true;
      },
      readTranscript: async (run, request) => {
        const transcript = this.transcripts.get(run);
        if (transcript !== undefined) return transcript.read(request);
        throw new AgentError("NOT_FOUND", `No agent has the transcript of "${run}"`);
      },
      newToken: (kind) => {
        const id = newId(this.clock.wallMs());
        return { id, token: `${kind}-secret-${id}`, verifier: "cd".repeat(32) };
      },
      authenticate: (token) => this.tokens.get(token) ?? null,
      newId: () => newId(this.clock.wallMs()),
    };
  }

  /** Gossip of this agent alone: what it tells, it hears. */
  #gossip(): Pick<GossipNode, "userEvent" | "onUserEvent"> {
    let ltime = 0;
    return {
      userEvent: (name, payload) => {
        checkEventContent(name, payload);
        if (this.tellFails !== null) throw this.tellFails;
        this.hear({ name, payload, origin: peer("n1"), ltime: (ltime += 1) });
      },
      onUserEvent: (listener) => {
        this.hear = listener;
        return () => undefined;
      },
    };
  }

  #logger(): Logger {
    const note = (data: object, message: string): void => {
      this.logged.push({ data, message });
    };
    return { ...silentLogger, warn: note, error: note };
  }
}

function consensusStatus(applied: number): ConsensusStatus {
  const configuration = {
    index: 1,
    sets: [[peer("n1"), peer("n2"), peer("n3")]],
    standbys: [],
    standbysNext: [],
    observers: [],
    lost: [],
    autoLeave: false,
  };
  return {
    role: "follower",
    term: 7,
    vote: null,
    leader: peer("n2"),
    relayed: false,
    commit: applied,
    applied,
    first: 1,
    last: applied,
    lastTerm: 7,
    engine: "running",
    persisted: applied,
    leaderLast: applied,
    effective: configuration,
    committed: configuration,
    quorumLost: false,
    transferee: null,
    peers: new Map(),
    leaderContactMs: 12.4,
    snapshotIndex: 0,
    health: "ok",
    log: { salvaged: null, trusted: true },
  };
}
