/** Calls between members: the envelope of each, and whatever a handler looks at behind it. */
import {
  acceptShape,
  answerShape,
  ballotShape,
  checked,
  demotionShape,
  generationShape,
  helloShape,
  pageShape,
  settledShape,
  surveyShape,
} from "../../src/agent/lineage-wire.ts";
import { membersSchema } from "../../src/api/contract/cluster.ts";
import { compileCheck } from "../../src/api/validate.ts";
import { isAgentError } from "../../src/base/errors.ts";
import { asPeerId } from "../../src/base/ids.ts";
import { isJsonObject } from "../../src/base/json.ts";
import { type Random } from "../../src/base/random.ts";
import { createBundleHandlers } from "../../src/config-engine/bundle-rpc.ts";
import {
  createTranscriptHandlers,
  parseTranscriptPart,
} from "../../src/config-engine/transcript-rpc.ts";
import {
  encodeAnswer,
  maxPullBytes,
  maxWaitMs,
  parseAnswer,
  parseRequest,
} from "../../src/consensus/driver/relay-wire.ts";
import { bootstrapGeneration } from "../../src/consensus/lineage/generation.ts";
import { parseGeneration } from "../../src/consensus/lineage/lineage-codec.ts";
import { decodeEnvelope, encodeEnvelope } from "../../src/inventory/codec.ts";
import { readOtherSide } from "../../src/inventory/merge/other-side.ts";
import { decodeRpc, encodeRpc, maxMethodLength } from "../../src/p2p/rpc-codec.ts";
import { Inventory } from "../support/inventory.ts";
import { pagesOf } from "../support/merge.ts";
import { demand } from "./core-target.ts";
import { type Target } from "./target.ts";

const hex = "ab".repeat(16);
const root = bootstrapGeneration("c");
const ballot = { counter: 1, node: "a" };
const child = {
  ...{ ...root, n: 2, id: hex, parent: root.id, kind: "forced-auto" as const },
  ...{ forkIndex: 9, forkTerm: 2, forkChain: "cd".repeat(16), legitCommit: 8, coordinator: "a" },
};
const promise = { parent: root.id, ballot, accepted: { ballot, child } };
const last = { lastTerm: 1, lastIndex: 2, commit: 2 };
const chains = [[2, hex]];
const configuration = {
  ...{ index: 1, sets: [["a"]], standbys: [], standbysNext: [], observers: [], lost: [] },
  autoLeave: false,
};
const generation = { n: 1, id: root.id };
const statement = {
  ...{ node: "b", nonce: hex, generation, voters: ["a", "b"], term: 1 },
  ...{ lastTerm: 1, lastIndex: 2, chain: hex },
};
const standing = { leader: "a", path: ["b"] };
const member = {
  ...{ id: "p", name: "n1", address: "a:1", status: "alive", incarnation: 1, tags: { a: "b" } },
  ...{ since: "2026-01-01T00:00:00.000Z", rttMs: 0.5, lane: "stream", datagrams: false },
  ...{ degraded: false, healthScore: 0, bootId: hex, protocol: { min: 1, max: 1 } },
};

const lineageShapes = [
  ...[helloShape, surveyShape, ballotShape, acceptShape, answerShape],
  ...[pageShape, settledShape, demotionShape, generationShape],
] as const;

/** Well-formed payloads of every method. */
function payloads(): readonly unknown[] {
  const inventory = new Inventory();
  const fork = inventory.machine.appliedIndex;
  inventory.send({ type: "var.put", key: "a", value: { b: [1, "two"] } });
  const command = { type: "var.put", key: "a", value: { b: [1, "two"] } } as const;
  const sent = { v: 1, at: 1, by: "operator", origin: null, idempotency: null };
  const envelope = encodeEnvelope({ ...sent, command });
  const entries = [{ index: 8, term: 1, type: 0 as const, data: envelope }];
  const answer = { ...standing, kind: "entries", entries, chain: hex, applied: 8 } as const;
  return [
    {
      clusterId: "c",
      from: "a",
      generations: [root, child],
      promise,
      ...last,
      leader: null,
      chains,
    },
    {
      ...{ from: "a", generation, promise: null, ...last, leaderLast: 2, configuration },
      ...{ twoWay: ["b"], silentMs: { b: 1 }, outlived: [], chains, storageOk: true },
      proofs: [{ kind: "exit", node: "b", statement }],
      ...{ hasBegun: true, mayVote: true, held: false, hasCarrier: true, upMs: 3 },
    },
    { parent: root.id, ballot, exits: [hex] },
    { parent: root.id, ballot, child },
    { granted: true, promise, term: 1, ...last },
    { generation, forkIndex: 1, members: ["a"], sequence: 0, bytes: envelope, pages: null },
    { nonce: hex, generation: hex },
    { generations: [root], commit: { term: 1, index: 2 } },
    { generation: hex, from: 8, chain: hex, maxBytes: 1 << 20, waitMs: 5000, seen: standing },
    encodeAnswer({ ...answer, leaderAgeMs: 5 }),
    { kind: "snapshot", ...standing, index: 4, leaderAgeMs: 5 },
    { request: envelope, generation: hex },
    { request: pagesOf(inventory, fork)[0] },
    { sha256: "ab".repeat(32), offset: 0 },
    { run: "j1/n1/base/configure/1", offset: 0, maxBytes: 9, waitMs: 9 },
    { chunks: [{ offset: 0, time: 1, bytes: envelope }], nextOffset: 3, complete: true },
    [member],
  ];
}

const oddities: readonly unknown[] = [
  ...[null, true, 0, -1, 0.5, Number.NaN, Infinity, 2 ** 53, "", "x", "__proto__", "9".repeat(300)],
  ...[[], [[]], {}, { length: 3 }, new Uint8Array(0), new Uint8Array([0xc1]), [null, 1, "a"]],
];

/** The same with one part of it, at any depth, gone or replaced by something odd. */
function mangled(random: Random, value: unknown): unknown {
  const isLeaf = typeof value !== "object" || value === null || value instanceof Uint8Array;
  if (isLeaf || random.below(8) === 0) return oddities[random.below(oddities.length)];
  if (Array.isArray(value)) {
    const at = random.below(value.length + 1);
    return value.toSpliced(at, 1, mangled(random, value[at]));
  }
  const fields = Object.entries(value);
  const [name = "extra", old] = fields[random.below(fields.length + 1)] ?? [];
  const { [name]: _, ...rest } = value as Readonly<Record<string, unknown>>;
  return random.below(5) === 0 ? rest : { ...rest, [name]: mangled(random, old) };
}

/** Nothing but a refusal with a code comes of a payload that is none. */
class RpcTarget implements Target {
  readonly name = "rpc";
  readonly #random: Random;
  readonly #payloads = payloads();
  readonly #checkMembers = compileCheck(membersSchema, "view");
  readonly #bundles = createBundleHandlers({
    has: () => Promise.resolve(true),
    readChunk: () => Promise.resolve(new Uint8Array(0)),
  } as never);
  readonly #transcripts = createTranscriptHandlers(
    { read: () => Promise.resolve({ chunks: [], nextOffset: 0, complete: true }) } as never,
    { pull: () => Promise.resolve() },
  );
  #late: unknown = null;

  constructor(random: Random) {
    this.#random = random;
  }

  valid(): Uint8Array {
    const random = this.#random;
    const id = 1 + random.below(99);
    const chosen = this.#payloads[random.below(this.#payloads.length)];
    const payload = random.below(2) === 0 ? chosen : mangled(random, chosen);
    switch (random.below(6)) {
      case 0:
        return encodeRpc({ kind: "result", id, payload });
      case 1:
        return encodeRpc({ kind: "failure", id, code: "BUSY", message: "m", details: { a: 1 } });
      case 2:
        return encodeRpc({ kind: "cancel", id });
      default:
        return encodeRpc({ kind: "request", id, method: "raft.pull", timeoutMs: 900, payload });
    }
  }

  feed(bytes: Uint8Array): boolean {
    demand(this.#late === null, `a handler broke: ${String(this.#late)}`);
    const call = decodeRpc(bytes);
    if (call === null) return false;
    if (call.kind === "request") {
      demand(call.method.length <= maxMethodLength && call.timeoutMs > 0, "a request is unbounded");
    }
    if (call.kind === "request" || call.kind === "result") this.#look(call.payload);
    return true;
  }

  #look(payload: unknown): void {
    const request = parseRequest(payload);
    if (request !== null) {
      const isBounded = request.maxBytes <= maxPullBytes && request.waitMs <= maxWaitMs;
      demand(isBounded, "a pull asks for more than it may");
    }
    parseAnswer(payload, 8);
    for (const shape of lineageShapes) {
      const found = refusing(() => checked<unknown>(shape, payload, "request"));
      if (shape === generationShape && found !== null) parseGeneration(found);
    }
    if (isJsonObject(payload)) {
      const bytes: unknown = payload["request"] ?? payload["bytes"];
      if (bytes instanceof Uint8Array) {
        decodeEnvelope(bytes);
        refusing(() => readOtherSide(bytes));
      }
    }
    refusing(() => this.#checkMembers(payload));
    refusing(() => parseTranscriptPart(payload));
    this.#ask(payload);
  }

  #ask(payload: unknown): void {
    const { signal } = new AbortController();
    const answers = [
      this.#bundles["bundle.has"](payload),
      this.#bundles["bundle.chunk"](payload),
      this.#transcripts["transcript.read"](payload, asPeerId("p"), signal),
      this.#transcripts["transcript.copy"](payload, asPeerId("p"), signal),
    ];
    for (const answer of answers) {
      answer.catch((error: unknown) => {
        if (!isAgentError(error)) this.#late = error;
      });
    }
  }
}

function refusing<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    demand(isAgentError(error), `a payload broke a check: ${String(error)}`);
    return null;
  }
}

export function rpcTargets(random: Random): readonly Target[] {
  return [new RpcTarget(random)];
}
