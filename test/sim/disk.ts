/** The disk of one simulated machine: LevelDB and files on one medium, under production's own storage classes. */
import { type Random } from "../../src/base/random.ts";
import { type OutstandingStatement } from "../../src/agent/supervisor/exit-hold.ts";
import { type LogStorage } from "../../src/consensus/storage/log-opening.ts";
import { type SimClock } from "./clock.ts";
import { SimDatabase } from "./disk-database.ts";
import { SimFiles } from "./disk-files.ts";
import { Device, type DiskProfile, Medium } from "./disk-medium.ts";
import { type DurableLog } from "./durable-log.ts";
import { type Life } from "./life.ts";

export type Damage = "block" | "bit" | "watermark" | "snapshot" | "backup";

export class SimDisk {
  readonly medium: Medium;
  readonly #database: SimDatabase;
  readonly #files: SimFiles;
  #backup: ReadonlyMap<string, Buffer> | null = null;
  /** How often an agent was started on it, as `agent.json` counts. */
  starts = 0;
  /** Who was told that the agent on it is gone. */
  hold: readonly OutstandingStatement[] = [];

  constructor(profile: DiskProfile, parts: { readonly clock: SimClock; readonly random: Random }) {
    this.medium = new Medium(profile, parts);
    this.#database = new SimDatabase(parts.random);
    this.#files = new SimFiles(parts.random);
  }

  get durable(): DurableLog {
    return this.#database.durable;
  }

  mount(life: Life): LogStorage {
    const device = new Device(this.medium, life);
    return {
      files: this.#files.on(device),
      openDatabase: () => device.read(() => ({ db: this.#database.open(device) })),
    };
  }

  writeHold(life: Life, statements: readonly OutstandingStatement[]): Promise<void> {
    return new Device(this.medium, life).write(true, () => {
      this.hold = statements;
    });
  }

  crash(power: boolean): void {
    this.#database.crash(power);
    this.#files.crash(power);
  }

  takeBackup(): void {
    this.#backup = this.#database.backup();
  }

  /** Damages what was acknowledged; null when there is nothing to damage. */
  damage(kind: Damage): string | null {
    switch (kind) {
      case "block":
        return this.#database.loseBlock();
      case "bit":
        return this.#database.flipBit();
      case "watermark":
        return this.#files.flipBit("/raft/meta.");
      case "snapshot":
        return this.#files.flipBit("/raft/snapshots/snap-");
      case "backup":
        return this.#restoreBackup();
    }
  }

  /** Somebody puts an old copy of the database in place: the watermark is newer. */
  #restoreBackup(): string | null {
    if (this.#backup === null || !this.#database.restore(this.#backup)) return null;
    this.#backup = null;
    return "the database is an old copy";
  }
}
