/**
 * Jobs in a simulated process: production's controller, which decides about nodes while this agent leads, what gossip
 * would tell the leader of them, and an agent that carries out the runs of its own node, or forgets one. A job holds a
 * node: it is the exclusive thing that a provisional generation must not touch where the node was left behind (G11).
 */
import { silentLogger } from "../../src/base/logger.ts";
import { asPeerId } from "../../src/base/ids.ts";
import { type Command } from "../../src/inventory/commands.ts";
import { type LifecycleController } from "../../src/lifecycle/controller.ts";
import { finished, runFinish } from "../support/inventory.ts";
import { type ProcessParts, type SimProcess } from "./process.ts";

/** Seconds instead of minutes, so that times run out while nobody can write it down. */
export const runTimeoutMs = 1500;
const planner = { runGraceMs: 500, awayGraceMs: 4000, impatientGraceMs: 1000 };
/** As in production, shorter than the silence after which survivors go on: no plan of the former leader outlasts it. */
const timeoutMs = 1500;
const lookMs = 700;
/** One run in so many is lost on its machine. */
const lostOneIn = 5;

export class Works {
  readonly #process: SimProcess;
  readonly #parts: ProcessParts;
  readonly #controller: LifecycleController;
  readonly #isLeader: () => boolean;
  readonly #begun = new Set<string>();
  #stopped = false;

  constructor(process: SimProcess, parts: ProcessParts) {
    const { production, life } = parts;
    const { machine, consensus } = process;
    const { view } = machine;
    const onApplied = machine.onChanged.bind(machine);
    const leadership = production.leadershipOf(consensus);
    this.#process = process;
    this.#parts = parts;
    this.#isLeader = leadership.isLeader;
    this.#controller = new production.LifecycleController(
      { planner },
      {
        ...{ clock: life, logger: silentLogger, view, onApplied, leadership },
        propose: (command) => process.writer.submit(command, { by: "controller", timeoutMs }),
        readBarrier: (timeoutMs) => consensus.readBarrier(timeoutMs),
        leftBehind: () => process.survivor?.lineage.leftBehindAt() ?? new Map(),
      },
    );
  }

  start(): void {
    void this.#controller.start();
    this.#look();
  }

  stop(): Promise<void> {
    this.#stopped = true;
    return this.#controller.stop();
  }

  #look(): void {
    const { life, random } = this.#parts;
    life.setTimer(lookMs * (0.5 + random.float()), () => {
      if (this.#stopped) return;
      this.#work();
      if (this.#isLeader()) this.#report();
      this.#look();
    });
  }

  /** What gossip sees of the nodes: who answers now. */
  #report(): void {
    const { id, machine } = this.#process;
    const here = new Set([id, ...this.#parts.reachable()]);
    const changes = machine.view.nodes().flatMap((node) => {
      const reachability = here.has(node.id) ? ("reachable" as const) : ("unreachable" as const);
      return node.reachability === reachability ? [] : [{ id: node.id, reachability }];
    });
    if (changes.length > 0) this.#submit({ type: "node.reachability", changes });
  }

  #work(): void {
    const { view } = this.#process.machine;
    const node = view.nodeById(asPeerId(this.#process.id));
    const job = node?.job === null || node === null ? null : view.job(node.job);
    const run = job?.nodes[node?.name ?? ""]?.current ?? null;
    if (node === null || job === null || run === null || this.#begun.has(run.id)) return;
    this.#begun.add(run.id);
    if (this.#parts.random.below(lostOneIn) === 0) return;
    this.#submit(runFinish(job.id, node.name, finished(run)));
  }

  #submit(command: Command): void {
    // Nobody waits for it: the next look finds out what came of it.
    this.#process.writer.submit(command, { by: "controller" }).catch(() => undefined);
  }
}
