/** Gossip nodes on the mesh in memory, with virtual time and signatures that are cheap but bound to the key. */
import { createHash } from "node:crypto";
import { asPeerId, type PeerId } from "../../../../src/base/ids.ts";
import { type Logger } from "../../../../src/base/logger.ts";
import { seededRandom } from "../../../../src/base/random.ts";
import { createGossipNode } from "../../../../src/gossip/driver/node.ts";
import { type SnapshotFile } from "../../../../src/gossip/driver/snapshot-file.ts";
import { type GossipOptions, lanOptions } from "../../../../src/gossip/options.ts";
import { type GossipNode, type MemberEvent } from "../../../../src/gossip/ports.ts";
import { MemoryMesh } from "../../../support/memory-mesh.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

export class MemorySnapshot implements SnapshotFile {
  text: string | null = null;
  load(): Promise<string | null> {
    return Promise.resolve(this.text);
  }
  save(text: string): Promise<void> {
    this.text = text;
    return Promise.resolve();
  }
}

export interface TestAgent {
  readonly node: GossipNode;
  readonly snapshot: MemorySnapshot;
  readonly events: MemberEvent[];
  /** `level message` of everything logged above debug. */
  readonly log: string[];
  /** User events as `NAME from ORIGIN`. */
  readonly told: string[];
  /** Its own name, once another process with its key is known to be the older one. */
  readonly doubled: string[];
}

/** Stands in for Ed25519: whoever knows the peer id can sign, which no test here abuses. */
export function testSignature(peer: PeerId, bytes: Uint8Array): Uint8Array {
  return createHash("sha512").update(peer).update(bytes).digest();
}

export class GossipAgents {
  readonly clock = new VirtualClock();
  readonly mesh = new MemoryMesh({ clock: this.clock, latencyMs: 1 });
  readonly admitted = new Set<string>();
  readonly running = new Map<string, TestAgent>();
  readonly #protocol: GossipOptions;
  #boots = 0;

  constructor(protocol: GossipOptions = lanOptions) {
    this.#protocol = protocol;
  }

  async start(
    name: string,
    options: { snapshot?: MemorySnapshot; address?: string; admitted?: boolean } = {},
  ): Promise<TestAgent> {
    this.#boots += 1;
    const id = asPeerId(name);
    if (options.admitted !== false) this.admitted.add(name);
    const snapshot = options.snapshot ?? new MemorySnapshot();
    const log: string[] = [];
    const doubled: string[] = [];
    const told: string[] = [];
    const node = createGossipNode(
      {
        ...{ id, name, address: options.address ?? `${name}:7946`, tags: {} },
        bootId: this.#boots.toString(16).padStart(32, "0"),
        protocol: this.#protocol,
      },
      {
        transport: this.mesh.node(name).gossip,
        clock: this.clock,
        random: seededRandom(this.#boots),
        logger: recordingLogger(log),
        sign: (bytes) => testSignature(id, bytes),
        verify: (peer, bytes, signature) =>
          Buffer.compare(testSignature(peer, bytes), signature) === 0,
        slowness: { factor: 1 },
        snapshotFile: snapshot,
        isMember: (peer) => this.admitted.has(peer),
        onDoubled: () => doubled.push(name),
      },
    );
    const events: MemberEvent[] = [];
    node.onEvent((event) => events.push(event));
    node.onUserEvent((event) => told.push(`${event.name} from ${event.origin}`));
    await node.start(new AbortController().signal);
    const agent = { node, snapshot, events, log, told, doubled };
    this.running.set(name, agent);
    return agent;
  }

  /** SIGKILL: nothing is said, nothing is saved. */
  async kill(name: string): Promise<void> {
    const agent = this.agent(name);
    this.running.delete(name);
    this.mesh.crash(name);
    const saved = agent.snapshot.text;
    await agent.node.stop();
    agent.snapshot.text = saved;
  }

  agent(name: string): TestAgent {
    const agent = this.running.get(name);
    if (agent === undefined) throw new Error(`no agent ${name} runs`);
    return agent;
  }

  contact(name: string, peer: string): void {
    this.agent(name).node.contact([{ id: asPeerId(peer), address: `${peer}:7946` }]);
  }

  /** Every running agent sees exactly `expected`, as `name:status`. */
  allSee(...expected: string[]): boolean {
    return [...this.running.values()].every(({ node }) => {
      const seen = node.members().map((member) => `${member.name}:${member.status}`);
      return seen.join(" ") === expected.join(" ");
    });
  }

  view(name: string): string {
    const members = this.agent(name).node.members();
    return members.map((member) => `${member.name}:${member.status}`).join(" ");
  }

  async stop(): Promise<void> {
    for (const { node } of this.running.values()) await node.stop();
  }
}

function recordingLogger(log: string[]): Logger {
  const write =
    (level: string) =>
    (_: object, message: string): void => {
      log.push(`${level} ${message}`);
    };
  const logger: Logger = {
    debug: () => {},
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: () => logger,
  };
  return logger;
}
