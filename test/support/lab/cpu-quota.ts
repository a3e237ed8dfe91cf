/** A share of one core that processes cannot go beyond, kept by the kernel (cgroup v1's CFS quota). */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";

export const quotaRoot = "/sys/fs/cgroup/cpu";
const periodUs = 100_000;

/** Groups of one process, one after another, share no name. */
let quotas = 0;

export class CpuQuota {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static isPossible(): boolean {
    return existsSync(path.join(quotaRoot, "cpu.cfs_quota_us"));
  }

  /** Of one core, for all of `pids` together. The name begins with its owner's prefix. */
  static limit(prefix: string, pids: readonly number[], percent: number): CpuQuota {
    quotas += 1;
    const folder = path.join(quotaRoot, `${prefix}quota-${quotas}`);
    mkdirSync(folder);
    writeFileSync(path.join(folder, "cpu.cfs_period_us"), `${periodUs}`);
    writeFileSync(path.join(folder, "cpu.cfs_quota_us"), `${(percent / 100) * periodUs}`);
    for (const pid of pids) writeFileSync(path.join(folder, "cgroup.procs"), `${pid}`);
    return new CpuQuota(folder);
  }

  /** Lets the processes have what they want again. */
  lift(): void {
    removeQuota(this.#folder);
  }
}

export function removeQuota(folder: string): void {
  const pids = readFileSync(path.join(folder, "cgroup.procs"), "utf8").split("\n");
  for (const pid of pids.filter(Boolean)) {
    try {
      writeFileSync(path.join(quotaRoot, "cgroup.procs"), pid);
    } catch {
      // It ended by itself between the look and the move.
    }
  }
  rmdirSync(folder);
}
