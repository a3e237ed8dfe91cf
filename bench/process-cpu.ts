/** What processes cost, from /proc: CPU time and resident memory. Linux only, like everything in bench/. */
import { readFileSync } from "node:fs";

/** Ticks of /proc per second (USER_HZ): a constant of Linux on all its architectures that matter here. */
const ticksPerSecond = 100;

/** User and system time of a process so far, in seconds; 0 when it is gone. */
export function cpuSeconds(pid: number): number {
  const [user = 0, system = 0] = statFields(pid).slice(11, 13);
  return (user + system) / ticksPerSecond;
}

/** User and system time of this process's ended children, in seconds. */
export function endedChildrenCpuSeconds(): number {
  const [user = 0, system = 0] = statFields(process.pid).slice(13, 15);
  return (user + system) / ticksPerSecond;
}

export function rssMib(pid: number): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib ?? 0) / 1024;
}

/** The fields behind the process's name, which may hold spaces. */
function statFields(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text
      .slice(text.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
  } catch {
    return [];
  }
}
