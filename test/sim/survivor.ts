/**
 * Survivor mode, heal and merge in a simulated process: production's AgentLineage over the simulated network.
 * Members that answer are heard as gossip would hear them.
 */
import { asPeerId, type PeerId } from "../../src/base/ids.ts";
import { type Logger } from "../../src/base/logger.ts";
import { Slowness } from "../../src/base/slowness.ts";
import { type MemberView } from "../../src/gossip/ports.ts";
import { type NodeId } from "../../src/consensus/core/types.ts";
import {
  type AcceptRequest,
  type BallotRequest,
} from "../../src/consensus/lineage/coordinator-types.ts";
import { type PromiseAnswer } from "../../src/consensus/lineage/ports.ts";
import { type ExitStatement, type LineageHello } from "../../src/consensus/lineage/types.ts";
import { type AgentLineage } from "../../src/agent/lineage.ts";
import { type Rpc } from "../../src/p2p/ports.ts";
import { simulatedCluster } from "./chronicle.ts";
import { type ProcessParts, type SimProcess } from "./process.ts";

type Handler = Parameters<Rpc["handle"]>[1];

export class Survivor {
  readonly lineage: AgentLineage;
  readonly #process: SimProcess;
  readonly #parts: ProcessParts;
  readonly #handlers = new Map<string, Handler>();

  constructor(process: SimProcess, parts: ProcessParts) {
    const { life, random, production } = parts;
    const peer = asPeerId(process.id);
    this.#process = process;
    this.#parts = parts;
    this.lineage = new production.AgentLineage({
      mesh: {
        rpc: this.#rpc(),
        host: { addresses: () => ["127.0.0.1:1"] },
        identity: { peer },
        context: { slowness: new Slowness() },
      },
      clusterId: simulatedCluster,
      node: process.consensus,
      isDoubted: () => false,
      gossip: () => {
        const reachable = parts.reachable();
        const near = neighboursOf(process.id, reachable);
        return {
          members: () => reachable.map((id) => memberView(id, near.includes(asPeerId(id)))),
          neighbours: () => near,
        };
      },
      stateMachine: process.machine,
      submit: (command, by) => process.writer.submit(command, { by }),
      witness: { ask: (node) => this.#askExit(node) },
      hold: parts.hold,
      archive: { keep: () => Promise.resolve() },
      fencer: { fence: (node) => parts.fence(node, life) },
      clock: life,
      random,
      logger: this.#logger(),
    });
  }

  #askExit(node: NodeId): Promise<ExitStatement | null> {
    const { random, life, askExit, profile } = this.#parts;
    if (!profile.exits) return Promise.resolve(null);
    const nonce = Array.from({ length: 32 }, () => random.below(16).toString(16)).join("");
    return askExit({ node, asker: this.#process.id, nonce }, life);
  }

  /** What an operator would read in the agent's log is in the trace. */
  #logger(): Logger {
    const { trace } = this.#parts;
    const { id } = this.#process;
    const say = (data: object, message: string): void =>
      trace.add(() => `${id}: ${message} ${JSON.stringify(data)}`);
    return { debug: say, info: say, warn: say, error: say, child: () => this.#logger() };
  }

  async start(): Promise<void> {
    const { signal } = new AbortController();
    for (const service of this.lineage.services) await service.start(signal);
  }

  async stop(): Promise<void> {
    for (const service of this.lineage.services.toReversed()) await service.stop();
  }

  async serve(method: string, payload: unknown, from: NodeId): Promise<unknown> {
    const handler = this.#handlers.get(method);
    if (handler === undefined) throw new Error(`nobody handles ${method}`);
    if (method === "lineage.merge") this.#parts.onChange(this.#process.id);
    const answer = await handler(payload, asPeerId(from), new AbortController().signal);
    this.#judged(() => this.#observe(method, payload, answer));
    return answer;
  }

  #rpc(): Rpc {
    return {
      handle: (method, handler) => void this.#handlers.set(method, handler),
      call: (peer, method, payload, { timeoutMs }) => {
        const { id, transport } = this.#process;
        if (method === "lineage.hello") this.#judged(() => this.#tells(payload as LineageHello));
        return transport.ask(peer, timeoutMs, (there) => there.handleCall(method, payload, id));
      },
    };
  }

  /** What is wrong ends the run: thrown here, it would be taken for a request that failed. */
  #judged(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#parts.onViolation(error as Error);
    }
  }

  #observe(method: string, payload: unknown, answer: unknown): void {
    const { generations, view } = this.#parts;
    if (method === "lineage.hello") this.#tells(answer as LineageHello);
    if (method !== "lineage.prepare" && method !== "lineage.accept") return;
    const given = answer as PromiseAnswer;
    const { ballot } = payload as BallotRequest | AcceptRequest;
    if (given.granted) generations.onGranted(view, ballot, given);
  }

  #tells(hello: LineageHello): void {
    this.#parts.generations.onTold(this.#parts.view, hello);
  }
}

/** As on a large ring, where most members are nobody's neighbours: the next two and the last two. */
function neighboursOf(self: NodeId, reachable: readonly NodeId[]): readonly PeerId[] {
  const ring = [...new Set([self, ...reachable])].sort();
  const at = ring.indexOf(self);
  const near = ring.filter((_, place) => {
    const apart = Math.abs(place - at);
    return Math.min(apart, ring.length - apart) <= 2 && place !== at;
  });
  return near.map((id) => asPeerId(id));
}

function memberView(id: NodeId, isNear: boolean): MemberView {
  const peer: PeerId = asPeerId(id);
  return {
    ...{ id: peer, name: id, address: id, status: "alive", incarnation: 1, bootId: "" },
    rttMs: isNear ? 1 : null,
    ...{ lane: null, degraded: false, datagrams: false, datagramsPass: null },
  } as unknown as MemberView;
}
