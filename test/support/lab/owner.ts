/**
 * Whose the namespaces, mounts and folders of a lab are: their names begin with the process id and start time of
 * the process that made them. A lab whose process is gone (killed, so that nothing ran at its end) is taken down
 * by the next one, and a living one is never touched.
 */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { killLeftovers } from "../agents.ts";
import { run } from "./command.ts";
import { quotaRoot, removeQuota } from "./cpu-quota.ts";

const family = "muster-lab";

/** Begins the name of everything that this process makes. */
export function ownPrefix(): string {
  return `${family}-${process.pid}-${startTime(process.pid) ?? 0}-`;
}

/** In clock ticks since boot; null when there is no such process. */
function startTime(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold spaces; the start time is the 20th field after it.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  } catch {
    return null;
  }
}

function isOrphan(name: string): boolean {
  const match = new RegExp(`^${family}-(\\d+)-(\\d+)-`).exec(name);
  return match !== null && startTime(Number(match[1])) !== Number(match[2]);
}

export async function removeOrphans(): Promise<void> {
  for (const name of namespaces().filter(isOrphan)) {
    for (const pid of (await run("ip", ["netns", "pids", name])).split("\n").filter(Boolean)) {
      killNow(Number(pid));
    }
    await run("ip", ["netns", "delete", name]);
  }
  for (const { source, target } of mounts()) {
    if (isOrphan(source)) await run("umount", ["--lazy", target]);
  }
  for (const name of namesIn(quotaRoot).filter(isOrphan)) removeQuota(path.join(quotaRoot, name));
  for (const name of readdirSync(os.tmpdir()).filter(isOrphan)) {
    const folder = path.join(os.tmpdir(), name);
    await killLeftovers(folder);
    rmSync(folder, { recursive: true, force: true });
  }
  removeClockMemory();
}

/** The library that fakes clocks leaves files behind when its process is killed; they name the process. */
export function removeClockMemory(): void {
  for (const name of namesIn("/dev/shm")) {
    const pid = /^(?:sem\.faketime_sem|faketime_shm)_(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && startTime(Number(pid)) === null) {
      rmSync(path.join("/dev/shm", name), { force: true });
    }
  }
}

function namespaces(): readonly string[] {
  return namesIn("/run/netns");
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function mounts(): readonly { readonly source: string; readonly target: string }[] {
  const lines = readFileSync("/proc/self/mounts", "utf8").split("\n");
  return lines.map((line) => {
    const [source = "", target = ""] = line.split(" ");
    return { source, target };
  });
}

export function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself between the look and the kill.
  }
}
