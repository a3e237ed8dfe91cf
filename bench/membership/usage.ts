/** What the kernel says of a process and of its host's link. */
import { readdirSync, readFileSync } from "node:fs";

export interface Usage {
  /** CPU in hundredths of a second. */
  readonly ticks: number;
  readonly sent: number;
  readonly received: number;
  readonly packets: number;
  readonly megabytes: number;
}

export function usage(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const link = /eth0:\s*(.*)/.exec(readFileSync(`/proc/${pid}/net/dev`, "utf8"))?.[1] ?? "";
  const counters = link.split(/\s+/).map(Number);
  const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return {
    ticks: Number(fields[11]) + Number(fields[12]),
    sent: counters[8] ?? 0,
    received: counters[0] ?? 0,
    packets: counters[9] ?? 0,
    megabytes: Number(rss) / 1024,
  };
}

/** TCP connections of a process's host that are established. */
export function connections(pid: number): number {
  const rows = readFileSync(`/proc/${pid}/net/tcp`, "utf8").split("\n").slice(1);
  return rows.filter((row) => row.trim().split(/\s+/)[3] === "01").length;
}

export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
