/**
 * One machine of the simulated cluster: a disk, and on it one life of an agent after the other. It stands for the
 * supervisor too, which starts an agent again that ended, and for the operator, who gives a new data directory to an
 * agent whose log is damaged, so that it joins again as a new member.
 */
import { AssertionError } from "../../src/base/assert.ts";
import { errorCode } from "../../src/base/errors.ts";
import { type Random } from "../../src/base/random.ts";
import { type NodeId } from "../../src/consensus/core/types.ts";
import { type ExitStatement } from "../../src/consensus/lineage/types.ts";
import { type SimClock } from "./clock.ts";
import { type Damage, SimDisk } from "./disk.ts";
import { Attester, DiskHold, type ExitQuestion } from "./exits.ts";
import { Life } from "./life.ts";
import { newView, type NodeView } from "./node-view.ts";
import { type ProcessParts, SimProcess } from "./process.ts";
import { type Trace } from "./trace.ts";
import { Violation } from "./violation.ts";

export type SharedParts = Omit<
  ProcessParts,
  "slot" | "life" | "random" | "disk" | "view" | "bootstrap" | "hold" | "onExit"
> & {
  readonly clock: SimClock;
  readonly trace: Trace;
  readonly random: Random;
  readonly voters: readonly NodeId[];
  readonly addView: (view: NodeView) => void;
  /** The process is gone: its connections are closed (not after a power cut). */
  readonly onGone: (node: SimNode, id: NodeId, closed: boolean) => void;
  /** A machine has a new agent, which wants to join. */
  readonly onNewcomer: (node: SimNode, replaces: NodeId) => void;
};

export class SimNode {
  readonly slot: number;
  readonly #shared: SharedParts;
  readonly #bootstrap: readonly NodeId[] | null;
  #id: NodeId;
  #disk: SimDisk;
  #view: NodeView;
  #process: SimProcess | null = null;
  #generation = 1;
  #rate = 1;
  #wallOffsetMs = 0;
  /** Its disk had faults, so it may fail without being wrong. */
  #hadErrors = false;
  /** The life in which what its disk holds was damaged; a later start finds that out, or that it does not matter. */
  #damagedIn: number | null = null;
  #onOperation: (life: Life) => void = () => {};
  /** It was started while it had not yet ended. */
  #startWhenGone = false;
  /** Nobody starts it again before `start`. */
  #heldDown = false;
  lastAliveMs = 0;
  /** Of the process that is gone. */
  #attester: Attester | null = null;

  constructor(shared: SharedParts, slot: number) {
    this.#shared = shared;
    this.slot = slot;
    this.#id = `n${slot + 1}`;
    this.#bootstrap = shared.voters.includes(this.#id) ? shared.voters : null;
    this.#disk = this.#newDisk();
    this.#view = newView(this.#id, this.#disk.durable, shared.chronicles.root);
    shared.addView(this.#view);
    const { clockDrift } = shared.profile;
    this.#rate = 1 + clockDrift * (2 * shared.random.float() - 1);
  }

  get id(): NodeId {
    return this.#id;
  }

  get disk(): SimDisk {
    return this.#disk;
  }

  get view(): NodeView {
    return this.#view;
  }

  get process(): SimProcess | null {
    return this.#process;
  }

  /** Running, and past its start. */
  get up(): boolean {
    return this.#process?.started === true && !this.#process.life.paused;
  }

  /** Damaged, and no start has read everything back since. */
  get damaged(): boolean {
    const verified = this.#process?.started === true && this.#disk.starts > (this.#damagedIn ?? 0);
    return this.#damagedIn !== null && !verified;
  }

  start(): void {
    this.#heldDown = false;
    this.#startWhenGone = this.#process !== null;
    if (this.#process !== null) return;
    this.#endAttester();
    const { clock, trace, random } = this.#shared;
    const life = new Life(clock, { rate: this.#rate, wallOffsetMs: this.#wallOffsetMs });
    const own = { slot: this.slot, life, disk: this.#disk, view: this.#view };
    const bootstrap = this.#generation === 1 ? this.#bootstrap : null;
    const process = new SimProcess({
      ...this.#shared,
      ...own,
      random,
      bootstrap,
      hold: new DiskHold(this.#disk, life),
      onExit: (error) => this.#exit(process, error),
    });
    this.#process = process;
    trace.add(() => `${this.#id} starts (${this.#disk.starts})`);
    process.start();
  }

  /** Null when no supervisor answers: the agent lives, said good-bye, or its host is off. */
  attest(question: ExitQuestion): Promise<ExitStatement | null> {
    const attester = question.node === this.#id ? this.#attester : null;
    return attester?.ask(question) ?? Promise.resolve(null);
  }

  /** @param power true: unsynced writes are lost, and nobody is told; false: kill -9. */
  kill(power: boolean): void {
    const process = this.#process;
    if (process === null) return;
    const { trace } = this.#shared;
    trace.add(() => `${this.#id} ${power ? "loses power" : "is killed"}`);
    this.#end(process, power);
  }

  /** Killed until `start` is called. */
  holdDown(): void {
    this.#heldDown = true;
    this.#endAttester();
    this.kill(true);
  }

  stop(): void {
    const process = this.#process;
    if (process === null || !process.started) return;
    this.#shared.trace.add(() => `${this.#id} is stopped`);
    process.stop(() => {
      if (this.#process !== process) return;
      this.#end(process, false);
      this.#endAttester();
      // A hanging disk may make the stop take longer than whoever starts it again expects.
      if (this.#startWhenGone) this.start();
    });
  }

  pause(): void {
    this.#process?.life.pause();
  }

  resume(clockStood: boolean): void {
    this.#process?.life.resume(clockStood);
  }

  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms;
    this.#process?.life.jumpWall(ms);
  }

  /** Notes that its disk may fail from now on. */
  wound(): void {
    this.#hadErrors = true;
  }

  /** Damages what the disk holds; null when there is nothing to damage. */
  damage(kind: Damage): string | null {
    const what = this.#disk.damage(kind);
    if (what !== null) this.#damagedIn = this.#disk.starts;
    return what;
  }

  /** Tells before each disk operation ends, on this disk and the next ones. */
  watchOperations(listener: (life: Life) => void): void {
    this.#onOperation = listener;
    this.#disk.medium.onOperation = listener;
  }

  /** The data directory is gone, or is put away: another agent starts here, and joins. */
  replace(): void {
    const before = this.#id;
    this.kill(true);
    this.#endAttester();
    this.#generation += 1;
    this.#id = `n${this.slot + 1}x${this.#generation}`;
    this.#disk = this.#newDisk();
    this.#view = newView(this.#id, this.#disk.durable, this.#shared.chronicles.root);
    this.#disk.medium.onOperation = this.#onOperation;
    this.#hadErrors = false;
    this.#damagedIn = null;
    this.#shared.addView(this.#view);
    this.#shared.trace.add(() => `${this.#id} takes the place of ${before}`);
    this.#shared.onNewcomer(this, before);
    if (!this.#heldDown) this.start();
  }

  #endAttester(): void {
    this.#attester?.end();
    this.#attester = null;
  }

  #newDisk(): SimDisk {
    const { profile, clock, random } = this.#shared;
    return new SimDisk(profile.disk, { clock, random });
  }

  #end(process: SimProcess, power: boolean): void {
    const id = this.#id;
    process.life.kill();
    this.#process = null;
    this.#disk.crash(power);
    this.#view.leads = null;
    this.#endAttester();
    if (!power && this.#shared.profile.exits) {
      const clock = { rate: this.#rate, wallOffsetMs: this.#wallOffsetMs };
      this.#attester = new Attester(this.#disk, new Life(this.#shared.clock, clock));
    }
    this.#shared.onGone(this, id, !power);
  }

  #exit(process: SimProcess, error: Error): void {
    if (this.#process !== process) return;
    const culprit = wrongIn(error);
    const codes = codesIn(error);
    if (culprit !== null) {
      this.#shared.onViolation(culprit);
      return;
    }
    this.#shared.trace.add(() => `${this.#id} fails: ${messagesIn(error).join(" < ")}`);
    const corrupt = codes.includes("LOG_CORRUPT");
    const excused = this.#damagedIn !== null || (!corrupt && this.#hadErrors);
    if (!excused) {
      this.#shared.onViolation(
        new Violation(`${this.#id} fails on a sound disk: ${error.message}`),
      );
      return;
    }
    // Not from within its own call: the process ends when the event is over.
    this.#shared.clock.after(0, () => {
      if (this.#process !== process) return;
      this.#end(process, false);
      const { restartMs } = this.#shared.profile;
      this.#shared.clock.after(restartMs, () => this.#supervise(corrupt));
    });
  }

  #supervise(corrupt: boolean): void {
    if (this.#process !== null) return;
    if (corrupt) this.replace();
    else if (!this.#heldDown) this.start();
  }
}

function* chainOf(error: unknown): Generator<Error> {
  for (let one = error; one instanceof Error; one = one.cause) yield one;
}

function wrongIn(error: Error): Error | null {
  for (const one of chainOf(error)) {
    const bug = one instanceof TypeError || one instanceof RangeError;
    if (one instanceof Violation || one instanceof AssertionError || bug) return one;
  }
  return null;
}

function codesIn(error: Error): readonly (string | undefined)[] {
  return [...chainOf(error)].map(errorCode);
}

function messagesIn(error: Error): readonly string[] {
  return [...chainOf(error)].map(({ message }) => message);
}
