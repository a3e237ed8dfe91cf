/** Asks for proof that missing members are gone, each of them not too often, and settles what others ask of it. */
import { Background } from "../../base/background.ts";
import { type Clock } from "../../base/clock.ts";
import { type Logger } from "../../base/logger.ts";
import { type Slowness } from "../../base/slowness.ts";
import { type NodeId } from "../core/types.ts";
import { type ExitWitness, type Fencer } from "../lineage/ports.ts";
import { type GenerationRef, type Proof } from "../lineage/types.ts";

export interface EvidenceDependencies {
  readonly witness: ExitWitness;
  readonly fencer: Fencer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly proved: (proof: Proof) => void;
  readonly slowness: Pick<Slowness, "factor">;
}

const askEveryMs = 1000;
const fenceEveryMs = 30_000;

export class Evidence {
  readonly #deps: EvidenceDependencies;
  readonly #background: Background;
  /** When somebody was asked last, `kind node`; Infinity while the answer is awaited. */
  readonly #askedAt = new Map<string, number>();

  constructor(dependencies: EvidenceDependencies) {
    this.#deps = dependencies;
    this.#background = new Background(dependencies.logger);
  }

  askExit(node: NodeId): void {
    this.#once(`exit ${node}`, askEveryMs * this.#deps.slowness.factor, async (signal) => {
      const statement = await this.#deps.witness.ask(node, signal);
      if (statement === null) return;
      this.#deps.logger.info({ node, lastIndex: statement.lastIndex }, "its exit is attested");
      this.#deps.proved({ kind: "exit", node, statement });
    });
  }

  fence(node: NodeId, generation: GenerationRef): void {
    this.#once(`fence ${node}`, fenceEveryMs, async (signal) => {
      this.#deps.logger.warn({ node }, "asks the fence command to turn the host off");
      const off = await this.#deps.fencer.fence(node, signal);
      this.#deps.logger.warn({ node, off }, off ? "the host is off" : "the host was not fenced");
      if (off) this.#deps.proved({ kind: "fence", node, generation });
    });
  }

  close(): Promise<void> {
    return this.#background.close();
  }

  #once(key: string, everyMs: number, ask: (signal: AbortSignal) => Promise<void>): void {
    const { clock } = this.#deps;
    if (clock.monotonicMs() - (this.#askedAt.get(key) ?? -Infinity) < everyMs) return;
    this.#askedAt.set(key, Infinity);
    this.#background.run(key, (signal) =>
      ask(signal).finally(() => this.#askedAt.set(key, clock.monotonicMs())),
    );
  }
}
