/** What drivers of lifecycle are given, over one inventory in memory on virtual time. */
import { AgentError } from "../../src/base/errors.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { type Command, type CommandResult } from "../../src/inventory/commands.ts";
import { type LeaderDeps } from "../../src/lifecycle/ports.ts";
import { type Inventory } from "./inventory.ts";
import { type VirtualClock } from "./virtual-clock.ts";

export class Replica {
  readonly inventory: Inventory;
  readonly clock: VirtualClock;
  /** Commands that drivers proposed, in order. */
  readonly proposed: Command[] = [];
  /** The next proposals fail with these codes, first one first; null is let through. */
  readonly failures: (string | null)[] = [];
  isLeader = true;
  hasQuorum = true;
  barriers = 0;
  readonly #applied = new Set<(index: number) => void>();
  readonly #leadership = new Set<() => void>();

  constructor(inventory: Inventory, clock: VirtualClock) {
    this.inventory = inventory;
    this.clock = clock;
  }

  get deps(): LeaderDeps {
    return {
      clock: this.clock,
      logger: silentLogger,
      view: this.inventory.view,
      onApplied: (listener) => subscribe(this.#applied, listener),
      propose: (command) => this.#propose(command),
      readBarrier: () => this.#barrier(),
      leadership: {
        isLeader: () => this.isLeader,
        onChange: (listener) => subscribe(this.#leadership, listener),
      },
    };
  }

  /** A command from elsewhere, seen by this replica. */
  apply(command: Command): void {
    this.inventory.at = this.clock.wallMs();
    this.inventory.ok(command);
    this.notify();
  }

  notify(): void {
    for (const listener of this.#applied) listener(this.inventory.view.appliedIndex);
  }

  lead(isLeader: boolean): void {
    this.isLeader = isLeader;
    for (const listener of this.#leadership) listener();
  }

  types(): readonly string[] {
    return this.proposed.map((command) => command.type);
  }

  #propose(command: Command): Promise<CommandResult> {
    const failure = this.failures.shift() ?? null;
    if (failure !== null) return Promise.reject(new AgentError(failure, `no: ${failure}`));
    this.proposed.push(command);
    this.inventory.at = this.clock.wallMs();
    const result = this.inventory.send(command);
    this.notify();
    return Promise.resolve(result);
  }

  #barrier(): Promise<void> {
    this.barriers += 1;
    if (this.hasQuorum) return Promise.resolve();
    return Promise.reject(new AgentError("NO_LEADER", "no leader confirmed it in time"));
  }
}

function subscribe<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
